"""A table whose gradients come by rows: what no sample touches is not read, nor changed where the rule leaves it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dist_bp.nn.gradients import NO_ROWS, sums_by_id
from dist_bp.optim import Slice
from dist_bp.ps.arena import Arena
from dist_bp.ps.changes import Changes
from dist_bp.ps.chunk import Chunk, Step, Stretch, Tools, squares_of
from dist_bp.ps.contribution import Contribution
from dist_bp.ps.layout import rows_of_chunk
from dist_bp.ps.tree import Order
from dist_bp.types import Array

SPARSE = 0.25
"""With more touched rows than this part of a table it is faster to update all."""


@dataclass
class RowSums:
    """The sums (n, size) of the gradients of different rows `ids` (n,) of a part of a table, and where among them each
    of its chunks begins and ends; without `cuts` a gradient of all rows stands in the slots."""

    ids: Array
    sums: Array
    cuts: list[int] | None = None


@dataclass(frozen=True, eq=False)
class TableChunk(Chunk):
    """Chunk `index` of a part of a table, from its row `first` on."""

    index: int
    first: int
    gradient: RowSums

    def _add_up(self, contribution: Contribution) -> None:
        ids, sums, cuts = self.gradient.ids, self.gradient.sums, self.gradient.cuts
        if cuts is None:
            super()._add_up(contribution)
            return
        own = slice(cuts[self.index], cuts[self.index + 1])
        self.mean.fill(0)
        self.mean.reshape(-1, sums.shape[1])[ids[own] - self.first] = sums[own]


class TablePart:
    """The part of a table that one server updates: the rows of the chunks that it owns, (number, start, stop) each.

    The touched rows are gathered, updated, and put into the new version, once that has caught up on what has changed
    since its memory held another one. Where the rule would change other rows too, or more than `SPARSE` are touched,
    the chunks are updated as those of other parameters. `mean` gives memory for the average of elements start ... stop.
    """

    def __init__(
        self,
        arena: Arena,
        index: int,
        owned: list[tuple[int, int, int]],
        mean: Callable[[int, int], Array],
        tools: Tools,
    ) -> None:
        table = arena.layout.by_rows[index]
        start, stop = owned[0][1], owned[-1][2]
        self._table, self._chunk_rows = table, rows_of_chunk(table)
        self._first, self._stop = (start - table.start) // table.size, (stop - table.start) // table.size
        self._touched = [[tables[index] for tables in slots] for slots in arena.touched]
        self._views = Stretch.of(arena, start, stop)
        self._tools = tools
        self._changes = Changes(arena, 1 + len(self._views.state[0]), table.size)
        self._stacked = np.empty((0, table.size), arena.layout.dtype)
        self._gradient = RowSums(NO_ROWS, self._stacked)
        self._chunks: list[Chunk] = []
        for place, (number, first, last) in enumerate(owned):
            views, squares = Stretch.of(arena, first, last), squares_of(arena, number, tools.updater)
            memory, row = mean(first, last), place * self._chunk_rows
            self._chunks.append(TableChunk(first, views, {}, memory, tools, squares, place, row, self._gradient))

    def units(self, contribution: Contribution) -> "Sequence[Chunk | TablePart]":
        """Adds up the gradients of touched rows; returns what is to be averaged and updated then."""
        summation, slot = contribution.summation, contribution.slot
        slots = [self._views.slots[place][slot] for place in summation.places]
        ids = [self._touched[place][slot].ids for place in summation.places]
        touched = [own for own in ids if own is not None]
        whole, rule = len(touched) < len(ids), self._tools.updater.rule
        if whole:
            self._complete(slots, ids)
        else:
            self._add_up(slots, touched, summation.order)
            if rule.lazy or (rule.leaves_rows and self._few(touched)):
                return [self]
        self._changes.forget()
        self._gradient.cuts = None if whole else self._cuts()
        return self._chunks

    def forget(self) -> None:
        """What was made last came to nothing."""
        self._changes.forget()

    def average(self, contribution: Contribution) -> float:
        """Makes the average gradient of the touched rows; returns its sum of squares."""
        gradient = self._gradient
        squares = self._tools.updater.prepare_rows(gradient.sums, contribution.scale)
        if self._tools.updater.clip_norm is not None:
            by_chunk = np.bincount(gradient.ids // self._chunk_rows, squares, len(self._chunks))
            for chunk, own in zip(self._chunks, by_chunk.tolist(), strict=True):
                chunk.note_squares(own)
        return float(squares.sum())

    def update(self, step: Step, clip: float) -> None:
        """Makes the new version from the one before and `clip` times the average, which is lost."""
        old, new = self._views.old_and_new(step.version)
        sources = [self._rows(array) for array in (old.params, *old.state.values())]
        targets = [self._rows(array) for array in (new.params, *new.state.values())]
        change = self._changes.begin(step.version, self._gradient.ids)
        for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
            self._catch_up(source, target, number)
        for source, values in zip(sources, change.values, strict=True):
            np.take(source, change.ids, axis=0, out=values, mode="clip")
        for start in range(0, len(change.ids), self._chunk_rows):
            rows = slice(start, start + self._chunk_rows)
            params, *state = (values[rows].reshape(-1) for values in change.values)
            grads = self._gradient.sums[rows].reshape(-1)
            updater, scratch = self._tools
            part = Slice(params, dict(zip(old.state, state, strict=True)))
            updater.apply_rows(part, grads, step.number, step.rate, clip, scratch[:2, : len(grads)])
        for target, values in zip(targets, change.values, strict=True):
            target[change.ids] = values
        self._changes.end(step.version, change)

    def _few(self, touched: list[Array]) -> bool:
        """Whether it is faster to update only what is touched: by the rows of the whole table, so that the number of
        servers does not decide."""
        most = SPARSE * self._table.rows
        if sum(map(len, touched)) <= most:
            return True
        mask = np.zeros(self._table.rows, np.bool_)  # many times as fast as to sort
        for ids in touched:
            mask[ids] = True
        return int(np.count_nonzero(mask)) <= most

    def _catch_up(self, old: Array, new: Array, number: int) -> None:
        """Brings `new` of array `number`, the parameters or one of the state, to what `old` has: there are as many
        versions of the parameters as a mode asks for, and two of the state."""
        changes = self._changes.last(1 if number else len(self._views.parameters) - 1)
        if changes is None:
            np.copyto(new, old)
            return
        for change in changes:
            new[change.ids] = change.values[number]

    def _add_up(self, slots: list[Array], ids: list[Array], order: Order) -> None:
        """The sums of what shares have written, row by row in the order of whole gradients: zeros change no bit."""
        own = []
        for touched in ids:
            first, stop = np.searchsorted(touched, (self._first, self._stop)).tolist()
            own.append(touched[first:stop] - self._first)
        ends = np.cumsum([len(part) for part in own]).tolist()
        if len(self._stacked) < ends[-1]:
            self._stacked = np.empty((max(ends[-1], 2 * len(self._stacked)), self._table.size), self._stacked.dtype)
        stacked = self._stacked[: ends[-1]]
        for slot, part, end in zip(slots, own, ends, strict=True):
            np.take(self._rows(slot), part, axis=0, out=stacked[end - len(part) : end], mode="clip")
        gradient = self._gradient
        if order.in_line:
            gradient.ids, gradient.sums = sums_by_id(np.concatenate(own), stacked)
        else:
            rows = np.split(stacked, ends[:-1])
            gradient.ids, gradient.sums = order.fold(list(zip(own, rows, strict=True)), _merged)

    def _complete(self, slots: list[Array], ids: Sequence[Array | None]) -> None:
        """Beside gradients of all rows, those of some get zeros for the others."""
        for slot, touched in zip(slots, ids, strict=True):
            if touched is not None:
                others = np.ones(self._stop - self._first, np.bool_)
                others[touched[(touched >= self._first) & (touched < self._stop)] - self._first] = False
                self._rows(slot)[others] = 0

    def _cuts(self) -> list[int]:
        edges = np.arange(0, self._stop - self._first + self._chunk_rows, self._chunk_rows)
        return np.searchsorted(self._gradient.ids, edges).tolist()  # type: ignore[no-any-return]

    def _rows(self, values: Array) -> Array:
        return values.reshape(-1, self._table.size)


def _merged(one: tuple[Array, Array], other: tuple[Array, Array]) -> tuple[Array, Array]:
    """Rows of either, and the sums of those of both."""
    return sums_by_id(np.concatenate((one[0], other[0])), np.concatenate((one[1], other[1])))
