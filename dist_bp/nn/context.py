"""What a layer knows of the step that it works in, and the memory that it works in."""

import hashlib
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dist_bp.groups import Group
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layout import aligned_zeros
from dist_bp.nn.types import NO_VIEWS, Views
from dist_bp.types import Array, Shape

NO_SUMS = Gradients(NO_VIEWS)


class EqualGroups(NamedTuple):
    """Adjacent groups of one size: rows `rows` of the batch are groups `groups` of the context."""

    rows: slice
    groups: slice
    shape: tuple[int, int]  # (number of groups, rows in each)


class _Frame:
    """The values of the current step, shared by a whole tree of contexts."""

    def __init__(self, dtype: npt.DTypeLike, seed: int) -> None:
        self.dtype = np.dtype(dtype)
        self.seed = seed
        self.training = False
        self.step = 0
        self.past: int | None = None
        self.scratch: Context | None = None
        self.groups: Sequence[Group] = ()
        self.equal_groups: Sequence[EqualGroups] | None = None
        self.statistics = NO_VIEWS
        self.sums = NO_SUMS


class Context:
    """The step as one layer sees it. The root belongs to the model; each layer has its own child.

    `needs_input_grad` says whether anybody uses the gradient of the layer's input. The groups of a training
    step cover the rows of the batch in order and without gaps.
    """

    def __init__(self, frame: _Frame, path: tuple[str, ...], needs_input_grad: bool) -> None:
        self.needs_input_grad = needs_input_grad
        self._frame = frame
        self._path = path
        self._children: dict[str, Context] = {}
        self._memory: dict[str, Array] = {}
        self._leading: dict[str, Array] = {}
        self._generator: tuple[np.random.Generator, dict[str, Any]] | None = None

    @classmethod
    def root(cls, dtype: npt.DTypeLike, seed: int = 0, needs_input_grad: bool = False) -> "Context":
        """A new tree with memory of its own: for one thread or process."""
        return cls(_Frame(dtype, seed), (), needs_input_grad)

    def begin(
        self,
        *,
        training: bool,
        step: int = 0,
        groups: Sequence[Group] = (),
        statistics: Views = NO_VIEWS,
        sums: Gradients = NO_SUMS,
        past: int | None = None,
    ) -> None:
        """Starts a step for the whole tree. `statistics` are read, and training layers write `sums`.

        `past` is how many positions of each sample went before, where samples come a part at a time; None: they come
        as a whole.
        """
        frame = self._frame
        frame.training = training
        frame.step = step
        frame.past = past
        frame.groups = groups
        frame.equal_groups = None
        frame.statistics = statistics
        frame.sums = sums

    def child(self, name: str, needs_input_grad: bool = True) -> "Context":
        """The context of the layer `name` below this one: the same object each time."""
        context = self._children.get(name)
        if context is None:
            context = self._children[name] = Context(self._frame, (*self._path, name), needs_input_grad)
        return context

    def buffer(
        self,
        name: str,
        shape: Shape,
        dtype: npt.DTypeLike | None = None,
        fill: Callable[[Array], None] | None = None,
    ) -> Array:
        """Memory of `shape` (here with the rows), the same at each step and with what was last written there.

        It grows to the largest size asked for; less is its beginning.

        A name stands for one dtype, the model's unless given. `fill` is called on new memory only, for constants: then
        fewer rows are the leading ones, and samples of another shape new memory.
        """
        array = self._leading.get(name)
        if array is None or array.shape != shape:
            array = self._leading[name] = self._rows(name, shape, dtype or self._frame.dtype, fill)
        return array

    def scratch(self, name: str, shape: Shape) -> Array:
        """Memory that the layers share: what one writes is there until its forward or backward calls another layer or
        ends. In the model's dtype; a name stands for one array at a time."""
        frame = self._frame
        if frame.scratch is None:
            frame.scratch = Context(frame, (), False)
        return frame.scratch.buffer(name, shape)

    def _rows(self, name: str, shape: Shape, dtype: npt.DTypeLike, fill: Callable[[Array], None] | None) -> Array:
        memory = self._memory.get(name)
        if fill is not None:
            if memory is None or memory.shape[1:] != shape[1:] or len(memory) < shape[0]:
                memory = self._memory[name] = aligned_zeros(math.prod(shape), dtype).reshape(shape)
                fill(memory)
            return memory[: shape[0]]
        size = math.prod(shape)
        if memory is None or len(memory) < size:
            memory = self._memory[name] = aligned_zeros(size, dtype)
        return memory[:size].reshape(shape)

    def continued(self, name: str, new: Array, axis: int) -> Array:
        """`new` with what came before it along `axis` since `past` was 0: valid until the next call for this name.

        For layers that keep what they have made of the positions before. Raises ValueError where they are not there.
        """
        past = self.past or 0
        stop = past + new.shape[axis]
        before = (slice(None),) * axis
        kept = self._memory.get(name)
        rest = (*new.shape[:axis], *new.shape[axis + 1 :])
        if kept is not None and (*kept.shape[:axis], *kept.shape[axis + 1 :]) != rest:
            kept = None
        if past and (kept is None or kept.shape[axis] < past):
            raise ValueError(f"{'/'.join(self._path)}: the {past} positions before have not been there")
        if kept is None or kept.shape[axis] < stop:
            longer = np.empty((*new.shape[:axis], 2 * stop, *new.shape[axis + 1 :]), new.dtype)
            if kept is not None:
                longer[*before, :past] = kept[*before, :past]
            kept = self._memory[name] = longer
        kept[*before, past:stop] = new
        return kept[*before, :stop]

    def generator(self, group: int) -> np.random.Generator:
        """The random numbers of (seed, step, group, this layer): the same for every worker that asks.

        Philox (Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3) is keyed by the seed and
        the layer's path; step and group are the upper half of its counter, so no two streams overlap. Valid
        until the next call.
        """
        if self._generator is None:
            digest = hashlib.blake2b(f"{self.seed}/{'/'.join(self._path)}".encode(), digest_size=16).digest()
            bits = np.random.Philox(key=np.frombuffer(digest, np.uint64))
            self._generator = np.random.Generator(bits), dict(bits.state)
        generator, state = self._generator
        state["state"]["counter"][2:] = group, self.step
        generator.bit_generator.state = state
        return generator

    @property
    def equal_groups(self) -> Sequence[EqualGroups]:
        """The groups, adjacent ones of one size taken together, so that a layer can handle them at once."""
        frame = self._frame
        if frame.equal_groups is None:
            frame.equal_groups = _equal_groups(frame.groups)
        return frame.equal_groups

    @property
    def nbytes(self) -> int:
        """Bytes of the memory of this context and those below it, of a root's with what the layers share."""
        scratch = self._frame.scratch
        own = sum(array.nbytes for array in self._memory.values())
        below = sum(child.nbytes for child in self._children.values())
        return own + below + (scratch.nbytes if scratch and not self._path and self is not scratch else 0)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._frame.dtype

    @property
    def seed(self) -> int:
        return self._frame.seed

    @property
    def training(self) -> bool:
        return self._frame.training

    @property
    def step(self) -> int:
        return self._frame.step

    @property
    def past(self) -> int | None:
        return self._frame.past

    @property
    def groups(self) -> Sequence[Group]:
        return self._frame.groups

    @property
    def statistics(self) -> Views:
        """The running values of this layer's statistics: read-only."""
        views = self._frame.statistics
        for name in self._path:
            views = views[name]
        return views

    @property
    def sums(self) -> Gradients:
        """Where a training layer writes, for each statistic, the sum over groups of rows in group * value."""
        sums = self._frame.sums
        for name in self._path:
            sums = sums.child(name)
        return sums


def _equal_groups(groups: Sequence[Group]) -> list[EqualGroups]:
    equal_groups: list[EqualGroups] = []
    first = 0
    for index in range(1, len(groups) + 1):
        size = groups[first].stop - groups[first].start
        if index < len(groups) and groups[index].stop - groups[index].start == size:
            continue
        rows = slice(groups[first].start, groups[index - 1].stop)
        equal_groups.append(EqualGroups(rows, slice(first, index), (index - first, size)))
        first = index
    return equal_groups
