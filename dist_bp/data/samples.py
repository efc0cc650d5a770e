"""The samples of a split as they lie in files, and batches of them as a network takes them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from dist_bp.data.coded import Coded, Lookup
from dist_bp.groups import Group
from dist_bp.signals import Ragged, Signal
from dist_bp.types import Array, Shape

PADDED_TO = 8
"""Ragged samples are padded to a multiple of so many positions, so that a batch has one of few shapes."""


class Batch(NamedTuple):
    """All that data hands out: signals of inputs and targets, the samples' `weights` (n,), None where all are 1, and
    in training the groups that the samples form."""

    inputs: Signal
    targets: Signal
    weights: Array | None = None
    groups: Sequence[Group] = ()

    def __len__(self) -> int:
        return len(self.targets.lengths if isinstance(self.targets, Ragged) else self.targets)


class Amount(NamedTuple):
    """How much a batch is: its samples, and what its loss is divided by, the weights of all positions of targets."""

    samples: int
    weight: float

    def __add__(self, other: "Amount") -> "Amount":  # type: ignore[override]
        return Amount(self.samples + other.samples, self.weight + other.weight)


NOTHING = Amount(0, 0.0)


@dataclass(frozen=True)
class RaggedArray:
    """Samples of different lengths one behind the other: sample i is values[offsets[i]:offsets[i + 1]]."""

    values: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def dtype(self) -> Any:
        """Of batches: whole numbers, which may be kept in less, are int64."""
        return np.dtype(np.int64) if self.values.dtype.kind in "iu" else self.values.dtype

    def lengths(self, rows: Array) -> Array:
        """Of the samples at indices `rows`."""
        lengths: Array = self.offsets[rows + 1] - self.offsets[rows]
        return lengths

    def taken(self, rows: Array) -> "RaggedArray":
        """A copy of the samples at indices `rows`."""
        breaks = np.flatnonzero(np.diff(rows) != 1) + 1
        runs = [run for run in np.split(rows, breaks) if len(run)]
        parts = [self.values[self.offsets[run[0]] : self.offsets[run[-1] + 1]] for run in runs]
        return RaggedArray(np.concatenate([self.values[:0], *parts]), np.cumsum([0, *self.lengths(rows)]))


Stored = Any
"""An array (n, ...), a `RaggedArray`, a `Coded`, or a dict of named ones."""


@dataclass(frozen=True)
class SampleStore:
    """The inputs and targets of a split, perhaps memory-mapped, and the samples' weights (n,), None where all are 1.

    `counted` (n,) says which samples the loss takes, None: all. The others weigh nothing in it.
    """

    inputs: Stored
    targets: Stored
    weights: Array | None = None
    counted: Array | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @cached_property
    def lengths(self) -> Array | None:
        """How many positions each sample has, of the longest of its ragged inputs; None where there are none."""
        return lengths_of(self.inputs)

    @cached_property
    def is_plain(self) -> bool:
        """Whether all samples count alike."""
        return self._factors is None and not isinstance(self.targets, RaggedArray)

    @cached_property
    def _factors(self) -> Array | None:
        """By what each sample weighs in the loss, beside its positions; None where that is 1."""
        weights = None if self.weights is None else self.weights.astype(np.float64)
        if self.counted is None:
            return weights
        return self.counted.astype(np.float64) if weights is None else weights * self.counted

    @property
    def flat_targets(self) -> tuple[Array, Array | None]:
        """The targets of all positions one below the other, (m,) labels or (m, k), and the weight (m,) of each, None
        where all count alike."""
        if isinstance(self.targets, RaggedArray):
            flat, times = self.targets.values, np.diff(self.targets.offsets)
        else:
            labels = self.targets.dtype.kind in "iu"
            flat = self.targets.reshape(-1) if labels else self.targets.reshape(-1, self.targets.shape[-1])
            times = np.full(len(self), self.positions)
        return flat, None if self.weights is None else np.repeat(self.weights.astype(np.float64), times)

    @cached_property
    def positions(self) -> int:
        """Of a target that is not ragged: labels (n, *positions), or numbers (n, *positions, k)."""
        shape = self.targets.shape[1:]
        return math.prod(shape if self.targets.dtype.kind in "iu" else shape[:-1])

    def shifted(self, by: int) -> "SampleStore":
        """As many samples that begin `by` positions later, where they are stretches of one long text."""
        return self

    def amount(self, rows: Array) -> Amount:
        """Of the samples at indices `rows`."""
        if self.is_plain:
            return Amount(len(rows), float(len(rows) * self.positions))
        lengths = self.targets.lengths(rows) if isinstance(self.targets, RaggedArray) else None
        if self._factors is None:
            return Amount(len(rows), float(lengths.sum()) if lengths is not None else 0.0)
        factors = self._factors[rows]
        return Amount(len(rows), float(factors.sum() * self.positions if lengths is None else factors @ lengths))

    def blocks(self, start: int, stop: int, rows: int, positions: int | None = None) -> Iterator[Batch]:
        """The samples from `start` to `stop`, so many at a time, see `cuts`: views where they are not ragged."""
        for first, last in cuts(self.lengths, start, stop, rows, positions):
            weights = None if self.weights is None else self.weights[first:last]
            yield Batch(block(self.inputs, first, last), block(self.targets, first, last), weights)


class Gatherer:
    """Puts `samples` into memory of its own, at most `largest` at a time: for one thread.

    Others of the same kind may take their place.
    """

    def __init__(self, samples: SampleStore, largest: int) -> None:
        self.samples = samples
        self._largest = largest
        self._memory: dict[tuple[str, ...], Array] = {}
        self._lookups: dict[tuple[str, ...], Lookup] = {}

    def batch(self, rows: Array, groups: Sequence[Group], whole: Array) -> Batch:
        """The samples at indices `rows`, ragged ones padded to the longest of those at `whole`, the global batch's.

        It is valid until the next one.
        """
        samples, weights = self.samples, None
        if samples.weights is not None:
            weights = self._take(("weights",), samples.weights, rows)
        inputs = self._gather(("inputs",), samples.inputs, rows, whole)
        return Batch(inputs, self._gather(("targets",), samples.targets, rows, whole), weights, groups)

    def _gather(self, path: tuple[str, ...], stored: Stored, rows: Array, whole: Array) -> Signal:
        if isinstance(stored, np.ndarray):
            return self._take(path, stored, rows)
        if isinstance(stored, RaggedArray):
            return self._padded(path, stored, rows, padded(stored.lengths(whole)))
        if isinstance(stored, Coded):
            return self._looked_up(path, stored, rows)
        return {name: self._gather((*path, name), one, rows, whole) for name, one in stored.items()}

    def _take(self, path: tuple[str, ...], stored: Array, rows: Array) -> Array:
        """out[i] = stored[rows[i]] without temporaries; `rows` must lie within the array."""
        out = self._room(path, (len(rows), *stored.shape[1:]), stored.dtype)
        stored.take(rows, axis=0, out=out, mode="clip")
        return out

    def _looked_up(self, path: tuple[str, ...], stored: Coded, rows: Array) -> Array:
        if path not in self._lookups:
            self._lookups[path] = Lookup(stored.table)
        codes = self._take((*path, "codes"), stored.codes, rows)
        out = self._room(path, codes.shape, stored.table.dtype)
        self._lookups[path].into(codes, out)
        return out

    def _room(self, path: tuple[str, ...], shape: Shape, dtype: Any) -> Array:
        memory = self._memory.get(path)
        if memory is None:
            memory = self._memory[path] = np.empty((self._largest, *shape[1:]), dtype)
        return memory[: shape[0]]

    def _padded(self, path: tuple[str, ...], stored: RaggedArray, rows: Array, longest: int) -> Ragged:
        shape = (len(rows), longest, *stored.values.shape[1:])
        size, memory = math.prod(shape), self._memory.get(path)
        if memory is None or len(memory) < size:
            memory = self._memory[path] = np.empty(size, stored.dtype)
        return fill(stored, rows, memory[:size].reshape(shape))


def padded(lengths: Array) -> int:
    """To how many positions samples of these lengths are padded: the longest, rounded up."""
    longest = max(int(lengths.max(initial=0)), 1)
    return -(-longest // PADDED_TO) * PADDED_TO


def evenly(count: int, most: int) -> Array:
    """At most `most` of the indices below `count`, in ascending order and equally far apart."""
    taken = min(count, most)
    return np.arange(taken) * count // max(taken, 1)


def lengths_of(inputs: Stored) -> Array | None:
    """How many positions each sample has, of the longest of its ragged inputs; None where there are none."""
    fields = [*inputs.values()] if isinstance(inputs, Mapping) else [inputs]
    found = [np.diff(field.offsets) for field in fields if isinstance(field, RaggedArray)]
    return np.maximum.reduce(found) if found else None


def cuts(
    lengths: Array | None, start: int, stop: int, rows: int, positions: int | None = None
) -> Iterator[tuple[int, int]]:
    """The samples from `start` to `stop` as blocks (first, last) of at most `rows`; where they are ragged, with these
    `lengths` of all samples, as they are padded of at most so many `positions`, but for a sample that has more."""
    while start < stop:
        last = min(start + rows, stop)
        if lengths is not None and positions is not None:
            longest = np.maximum.accumulate(lengths[start:last])
            padded_to = -(-np.maximum(longest, 1) // PADDED_TO) * PADDED_TO
            fits = int(np.searchsorted(padded_to * np.arange(1, len(longest) + 1), positions, side="right"))
            last = start + max(fits, 1)
        yield start, last
        start = last


def fill(stored: RaggedArray, rows: Array, out: Array) -> Ragged:
    """The samples at indices `rows` in `out` (n, longest, ...), zeros beyond their lengths."""
    lengths = stored.lengths(rows)
    for place, start, length in zip(out, stored.offsets[rows].tolist(), lengths.tolist(), strict=True):
        place[:length] = stored.values[start : start + length]
        place[length:] = 0
    return Ragged(out, lengths)


def block(stored: Stored, first: int, last: int) -> Signal:
    """The samples from `first` to `last` as a network takes them."""
    if isinstance(stored, Mapping):
        return {name: block(one, first, last) for name, one in stored.items()}
    if isinstance(stored, RaggedArray):
        rows = np.arange(first, last)
        shape = (len(rows), padded(stored.lengths(rows)), *stored.values.shape[1:])
        return fill(stored, rows, np.empty(shape, stored.dtype))
    if isinstance(stored, Coded):
        return stored.decoded(first, last)
    return np.ascontiguousarray(stored[first:last])
