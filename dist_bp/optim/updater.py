"""All that happens to a chunk of the parameters in one step: averaging, clipping, decay, the rule."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from dist_bp.optim.rules.base import Rule, Slice
from dist_bp.types import Array

FLUSH_EVERY = 128
DOT_ELEMENTS = 8192
"""The BLAS splits longer dot products over its threads, whose number would then change the bits."""
BLOCK = 1024
"""Elements whose squared norm counts as one number where a gradient is clipped: the norm then has the same bits however
the blocks are divided among those who average them."""


@dataclass(frozen=True)
class Updater:
    """Applies `rule` to chunks [start, stop) of the flat parameter vector.

    `decayed` lists the [start, stop) of the vector that the rule's weight decay shrinks. Decay is an L2 term added to
    the gradient after clipping, or `decoupled`: p *= 1 - lr * weight_decay (Loshchilov & Hutter 2019).
    Keeps nothing between calls but where `decayed` meets a chunk, so processes, threads and restarts agree.
    """

    rule: Rule
    clip_value: float | None = None
    clip_norm: float | None = None
    decayed: tuple[tuple[int, int], ...] = ()
    _parts: dict[tuple[int, int], tuple[slice, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def prepare(self, grads: Array, scale: float) -> float:
        """Scales the gradient in place and clips it by value; returns its sum of squares."""
        self._condition(grads, scale)
        return _sum_of_squares(grads)

    def prepare_blocks(self, grads: Array, scale: float, squares: Array, scratch: Array) -> float:
        """The same; `squares` get the part of each BLOCK of elements, of the same bits on any processor. `scratch` is
        as long as `grads` (n,), and of its dtype."""
        self._condition(grads, scale)
        _squares_of_blocks(grads, squares, scratch)
        return float(squares.sum())

    def prepare_rows(self, grads: Array, scale: float) -> Array:
        """The same for rows (n, size) of a table; returns the sum of squares of each."""
        self._condition(grads, scale)
        squares = np.zeros(len(grads))
        for start in range(0, grads.shape[1], DOT_ELEMENTS):
            part = grads[:, start : start + DOT_ELEMENTS]
            squares += np.vecdot(part, part)
        return squares

    def _condition(self, grads: Array, scale: float) -> None:
        if scale != 1.0:
            grads *= scale
        if self.clip_value is not None:
            np.clip(grads, -self.clip_value, self.clip_value, out=grads)

    def clip_factor(self, total_norm: float) -> float:
        """What scales a whole gradient of `total_norm` down to `clip_norm` (Pascanu et al. 2013)."""
        if self.clip_norm is None or total_norm <= self.clip_norm:
            return 1.0
        return self.clip_norm / total_norm

    def apply(
        self,
        old: Slice,
        new: Slice,
        grads: Array,
        start: int,
        step: int,
        learning_rate: float,
        clip_factor: float,
        scratch: Array,
    ) -> None:
        """Makes step number `step` (from 1) on the chunk that begins at `start`, from `old` to `new`.

        They may be the same arrays. `grads` (n,) went through `prepare` and is overwritten; `scratch` is (2, n) of
        the dtype of the parameters.
        """
        if clip_factor != 1.0:
            grads *= clip_factor
        if decay := self.rule.weight_decay:
            parts = self._decayed_parts(start, len(old.params))
            if self.rule.decoupled:
                np.copyto(new.params, old.params)
                shrink(new.params, parts, 1 - learning_rate * decay)
                old = Slice(new.params, old.state)
            else:
                add_decay(grads, old.params, parts, decay, scratch[0])
        self._follow(old, new, grads, step, learning_rate, scratch)

    def apply_rows(
        self, rows: Slice, grads: Array, step: int, learning_rate: float, clip_factor: float, scratch: Array
    ) -> None:
        """The same in place on `rows` of a table, one behind the other, which no decay concerns."""
        if clip_factor != 1.0:
            grads *= clip_factor
        self._follow(rows, rows, grads, step, learning_rate, scratch)

    def _follow(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        self.rule.update(old, new, grads, step, learning_rate, scratch)
        if step % FLUSH_EVERY == 0:
            for array in new.state.values():
                flush_subnormals(array, scratch)

    def _decayed_parts(self, start: int, length: int) -> tuple[slice, ...]:
        parts = self._parts.get((start, length))
        if parts is None:
            parts = tuple(
                slice(max(first - start, 0), last - start)
                for first, last in self.decayed
                if first < start + length and last > start
            )
            self._parts[start, length] = parts
        return parts


def _sum_of_squares(values: Array) -> float:
    squares = 0.0
    for start in range(0, len(values), DOT_ELEMENTS):
        part = values[start : start + DOT_ELEMENTS]
        squares += float(np.dot(part, part))
    return squares


def _squares_of_blocks(values: Array, squares: Array, scratch: Array) -> None:
    """Without BLAS, whose kernels add up in an order of their own on every kind of processor: NumPy's sums have one."""
    np.multiply(values, values, out=scratch)
    whole = len(values) // BLOCK
    blocks, rest = scratch[: whole * BLOCK].reshape(whole, BLOCK), scratch[whole * BLOCK :]
    squares[:whole] = np.add.reduce(blocks, axis=1)
    if len(rest):
        squares[whole] = np.add.reduce(rest)


def shrink(params: Array, parts: Iterable[slice], factor: float) -> None:
    for part in parts:
        np.multiply(params[part], factor, out=params[part])


def add_decay(grads: Array, params: Array, parts: Iterable[slice], weight_decay: float, spare: Array) -> None:
    for part in parts:
        decay = np.multiply(params[part], weight_decay, out=spare[part])
        np.add(grads[part], decay, out=grads[part])


def flush_subnormals(array: Array, scratch: Array) -> None:
    """Sets to 0 what is smaller than the smallest normal number: arithmetic on it takes many times as long.

    Moving averages of weights that get no gradient decay into such numbers and stay there.
    """
    magnitude, small = np.abs(array, out=scratch[0]), scratch[1].view(np.bool_)[: len(array)]
    np.less(magnitude, float(np.finfo(array.dtype).smallest_normal), out=small)
    np.copyto(array, 0.0, where=small)
