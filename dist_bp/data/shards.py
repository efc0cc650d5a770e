"""Which samples a share is made of at each step: pure functions of the configuration, the seed and the step.

The samples of an epoch are put in an order that depends on the seed and the epoch alone. A step's global batch is
a slice of that order, cut into groups of a fixed size; a share is a contiguous range of whole groups. So the batches
and their groups are the same whatever the number of shares.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from dist_bp.data.samples import padded
from dist_bp.groups import Group
from dist_bp.types import Array

WINDOW = 50
"""Batches that share their samples where they are of similar length."""
ORDER_STREAM = 1
"""Separates the random numbers of the epochs' orders from those of the split."""
SHIFT_STREAM = 2
"""Of where the stretches of a long text begin."""


class Part(NamedTuple):
    """What is computed in one forward and backward pass: indices of samples, and the groups they form."""

    rows: Array
    groups: tuple[Group, ...]


def epoch_order(samples: int, seed: int, epoch: int, shuffle: bool = True) -> Array:
    """The order (samples,) in which an epoch visits the samples, each exactly once."""
    if not shuffle:
        return np.arange(samples)
    sequence = np.random.SeedSequence(seed, spawn_key=(ORDER_STREAM, epoch))
    return np.random.Generator(np.random.Philox(sequence)).permutation(samples)


def by_length(order: Array, lengths: Array, batch: int, seed: int, epoch: int) -> Array:
    """An epoch's order with samples of similar length in each batch of so many samples.

    Within windows of `WINDOW` batches of the order samples are dealt out to batches by their `lengths` (samples,), and
    the batches are shuffled; within a batch samples keep their order. What is left after the last whole batch is last.
    """
    made = order.copy()
    sequence = np.random.SeedSequence(seed, spawn_key=(ORDER_STREAM, epoch, 0))
    generator = np.random.Generator(np.random.Philox(sequence))
    whole = len(order) // batch * batch
    for start in range(0, whole, WINDOW * batch):
        some = order[start : min(start + WINDOW * batch, whole)]
        places = np.argsort(lengths[some], kind="stable").reshape(-1, batch)
        places.sort(axis=1)
        made[start : start + len(some)] = some[generator.permutation(places).reshape(-1)]
    return made


def epoch_shift(context: int, seed: int, epoch: int) -> int:
    """How far into a long text the first stretch of `context` tokens begins in an epoch, below `context`."""
    sequence = np.random.SeedSequence(seed, spawn_key=(SHIFT_STREAM, epoch))
    return int(np.random.Generator(np.random.Philox(sequence)).integers(context))


def padding_share(order: Array, lengths: Array, batch: int) -> float:
    """The share of the positions of an epoch that are none of a sample, as each batch is padded to its longest."""
    kept = lengths[order]
    rows = [len(kept[start : start + batch]) for start in range(0, len(kept), batch)]
    longest = [padded(kept[start : start + batch]) for start in range(0, len(kept), batch)]
    return 1 - float(kept.sum()) / float(np.dot(rows, longest))


def owned_groups(batch_rows: int, group_size: int, shares: int, share: int) -> tuple[int, int]:
    """First and last (exclusive) of the groups of a global batch that belong to a share."""
    groups = _ceil(batch_rows, group_size)
    return groups * share // shares, groups * (share + 1) // shares


def evaluation_rows(samples: int, shares: int, share: int) -> tuple[int, int]:
    """The rows (start, stop) of a split that belong to a share of an evaluation."""
    return samples * share // shares, samples * (share + 1) // shares


class Batches:
    """Every global batch, cut into shares.

    A step's global batch holds `accumulate * batch_size` samples, the last one of an epoch those that are left. The
    groups of a share are handed out in parts of at most ceil(batch_size / shares) rows, rounded up to whole groups.
    With `lengths` (samples,) samples of a batch are of similar length, see `by_length`. With a `context` they are
    stretches of so many tokens of one text, which begin elsewhere in each epoch, see `epoch_shift`.

    Attributes: `steps_per_epoch`; `largest`, the most rows of any part; `accumulates`, whether a step can have more
    than one part.
    """

    def __init__(
        self,
        samples: int,
        batch_size: int,
        group_size: int,
        shares: int = 1,
        seed: int = 0,
        shuffle: bool = True,
        accumulate: int = 1,
        lengths: Array | None = None,
        context: int | None = None,
    ) -> None:
        if min(samples, batch_size, group_size, shares, accumulate) < 1:
            raise ValueError("samples, sizes and shares must be at least 1")
        self._samples = samples
        self._seed = seed
        self._shuffle = shuffle
        self._lengths = lengths
        self._context = context
        self._stride = accumulate * batch_size
        self.steps_per_epoch = _ceil(samples, self._stride)
        part_groups = _ceil(_ceil(batch_size, shares), group_size)
        self._left = samples - (self.steps_per_epoch - 1) * self._stride
        self._last = [_plan(self._left, group_size, shares, share, part_groups) for share in range(shares)]
        whole = min(samples, self._stride)
        self._full = [_plan(whole, group_size, shares, share, part_groups) for share in range(shares)]
        plans = (*self._full, *self._last)
        self.accumulates = any(len(plan) > 1 for plan in plans)
        self.largest = max((stop - start for plan in plans for start, stop, _ in plan), default=0)
        self._epoch = self._step = -1
        self._shift = 0
        self._order = self._whole = np.empty(0, np.intp)

    def rows(self, step: int) -> int:
        """Samples of the global batch of `step`."""
        return self._left if self._is_last(step) else self._stride

    def parts(self, step: int, share: int = 0) -> list[Part]:
        """The parts of a share of the global batch of `step`, counted from 0 over all epochs; it may have none."""
        whole = self.whole(step)
        plan = (self._last if self._is_last(step) else self._full)[share]
        return [Part(whole[start:stop], groups) for start, stop, groups in plan]

    def whole(self, step: int) -> Array:
        """Indices of all samples of the global batch of `step`, in order."""
        if step != self._step:
            epoch, batch = divmod(step, self.steps_per_epoch)
            self._enter(epoch)
            base = batch * self._stride
            self._whole = self._order[base : base + self.rows(step)]
            self._step = step
        return self._whole

    def shift(self, step: int) -> int:
        """How far into a long text the first stretch begins in the epoch of `step`."""
        self._enter(step // self.steps_per_epoch)
        return self._shift

    def _enter(self, epoch: int) -> None:
        if epoch != self._epoch:
            self._order, self._epoch = self.order(epoch), epoch
            self._shift = 0 if self._context is None else epoch_shift(self._context, self._seed, epoch)

    def order(self, epoch: int) -> Array:
        """The samples of an epoch, batch by batch."""
        order = epoch_order(self._samples, self._seed, epoch, self._shuffle)
        return order if self._lengths is None else by_length(order, self._lengths, self._stride, self._seed, epoch)

    def digest(self, epoch: int) -> bytes:
        """SHA-256 (32 bytes) of which samples an epoch visits in what order, and of where its stretches begin."""
        shift = 0 if self._context is None else epoch_shift(self._context, self._seed, epoch)
        visited = np.append(self.order(epoch), [shift, self._stride]).astype("<i8")
        return hashlib.sha256(visited.tobytes()).digest()

    def _is_last(self, step: int) -> bool:
        return step % self.steps_per_epoch == self.steps_per_epoch - 1


_Plan = tuple[tuple[int, int, tuple[Group, ...]], ...]


def _plan(batch_rows: int, group_size: int, shares: int, share: int, part_groups: int) -> _Plan:
    """Rows of the global batch (start, stop) and groups of each part of a share."""
    first, last = owned_groups(batch_rows, group_size, shares, share)
    parts = []
    for begin in range(first, last, part_groups):
        end = min(begin + part_groups, last)
        start, stop = begin * group_size, min(end * group_size, batch_rows)
        groups = tuple(
            Group(index, index * group_size - start, min((index + 1) * group_size, stop) - start)
            for index in range(begin, end)
        )
        parts.append((start, stop, groups))
    return tuple(parts)


def _ceil(a: int, b: int) -> int:
    return -(-a // b)
