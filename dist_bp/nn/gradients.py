"""Where backward passes leave the gradients of parameters: whatever asks for one of them twice, it is added up."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dist_bp.nn.touched import TouchedRows
from dist_bp.nn.types import NO_VIEWS, Views
from dist_bp.types import Array

Tables = Mapping[str, Any]
"""Which rows are written of the gradients that come by rows, nested as the views are."""
NO_TABLES: Tables = {}
NO_ROWS = np.empty(0, np.int64)


class _Turn:
    """What is known of the current step, shared by a whole tree of gradients."""

    def __init__(self) -> None:
        self.number = 0
        self.used = 0
        self.waiting: list[tuple[Gradients, str]] = []


class Gradients:
    """The gradients of one layer's parameters, and below it those of the layers within.

    The root is over the views of a flat vector: `begin`, any number of backward passes, `end`. Afterwards the vector
    holds the sums of all that was written in between, zeros where nothing was. Of `tables` the rows that nobody has
    written are left as they were, and noted.
    """

    def __init__(self, views: Views, tables: Tables = NO_TABLES, turn: _Turn | None = None) -> None:
        self._views = views
        self._tables = tables
        self._turn = turn or _Turn()
        self._children: dict[str, Gradients] = {}
        self._seen: dict[str, int] = {}
        self._again: dict[str, Array] = {}
        self._total = _count(views)

    def begin(self) -> None:
        """Nothing has been written yet. Of the root."""
        self._turn.number += 1
        self._turn.used = 0
        self._turn.waiting.clear()

    def end(self) -> None:
        """Adds what still waits to be added, and clears what nobody has written. Of the root."""
        turn = self._turn
        for gradients, name in turn.waiting:
            gradients._add(name)
        turn.waiting.clear()
        if turn.used != self._total:
            self._clear_unused()

    def child(self, name: str) -> "Gradients":
        """Those of the layer `name` below this one; without parameters it has none."""
        found = self._children.get(name)
        if found is None:
            views, tables = self._views.get(name, NO_VIEWS), self._tables.get(name, NO_TABLES)
            found = self._children[name] = Gradients(views, tables, self._turn)
        return found

    def into(self, name: str) -> Array:
        """Memory for a gradient, to be overwritten as a whole before the next call for the same name.

        It is the parameter's place in the vector at the first use in a step, and afterwards scratch that is added.
        """
        turn = self._turn
        if self._seen.get(name) != turn.number:
            self._seen[name] = turn.number
            turn.used += 1
            if name in self._tables:
                self._tables[name].set_all()
            return self._views[name]  # type: ignore[no-any-return]
        if name in self._tables:
            self._complete(name)
        return self._scratch(name)

    def rows(self, name: str, ids: Array, dy: Array) -> None:
        """Adds `dy` (n, ...) to the rows `ids` (n,) of a gradient, in the order in which they stand there."""
        touched, sums = sums_by_id(ids, dy)
        place, table = self._views[name], self._tables.get(name)
        if self._seen.get(name) != self._turn.number:
            self.into(name)
            if table is not None:
                place[touched] = sums
                table.set(touched)
                return
            place.fill(0)
        elif table is not None and table.ids is not None:
            place[np.setdiff1d(touched, table.ids, assume_unique=True)] = 0
            table.set(np.union1d(table.ids, touched))
        place[touched] += sums

    def _complete(self, name: str) -> None:
        """Makes a gradient of all rows of one of some."""
        table: TouchedRows = self._tables[name]
        if table.ids is not None:
            self._views[name][table.others()] = 0
            table.set_all()

    def _scratch(self, name: str) -> Array:
        waits = (self, name)
        if waits in self._turn.waiting:
            self._add(name)
        else:
            self._turn.waiting.append(waits)
        scratch = self._again.get(name)
        if scratch is None:
            scratch = self._again[name] = np.empty_like(self._views[name])
        return scratch

    def _add(self, name: str) -> None:
        place = self._views[name]
        np.add(place, self._again[name], out=place)

    def _clear_unused(self) -> None:
        for name, value in self._views.items():
            if isinstance(value, dict):
                self.child(name)._clear_unused()
            elif self._seen.get(name) != self._turn.number:
                if name in self._tables:
                    self._tables[name].set(NO_ROWS)
                else:
                    value.fill(0)


def sums_by_id(ids: Array, values: Array) -> tuple[Array, Array]:
    """The different `ids` (n,), and for each the sum of its rows of `values` (n, k), added in their order.

    The product with a sparse matrix of ones: many times as fast as adding row by row.
    """
    from scipy.sparse import csr_array

    order = np.argsort(ids, kind="stable")
    ordered = ids[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    touched = ordered[starts]
    ones = np.ones(len(ids), values.dtype)
    matrix = csr_array((ones, order, np.append(starts, len(ids))), shape=(len(touched), len(ids)))
    return touched, matrix @ values


def _count(views: dict[str, Any]) -> int:
    return sum(_count(value) if isinstance(value, dict) else 1 for value in views.values())
