"""Where backward passes leave the gradients of parameters: whatever asks for one of them twice, it is added up."""

from typing import Any

import numpy as np

from dist_bp.nn.types import NO_VIEWS, Views
from dist_bp.types import Array


class _Turn:
    """What is known of the current step, shared by a whole tree of gradients."""

    def __init__(self) -> None:
        self.number = 0
        self.used = 0
        self.waiting: list[tuple[Gradients, str]] = []


class Gradients:
    """The gradients of one layer's parameters, and below it those of the layers within.

    The root is over the views of a flat vector: `begin`, any number of backward passes, `end`. Afterwards the vector
    holds the sums of all that was written in between, zeros where nothing was.
    """

    def __init__(self, views: Views, turn: _Turn | None = None) -> None:
        self._views = views
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
            found = self._children[name] = Gradients(self._views.get(name, NO_VIEWS), self._turn)
        return found

    def into(self, name: str) -> Array:
        """Memory for a gradient, to be overwritten as a whole before the next call for the same name.

        It is the parameter's place in the vector at the first use in a step, and afterwards scratch that is added.
        """
        turn = self._turn
        last = self._seen.get(name)
        if last != turn.number:
            self._seen[name] = turn.number
            turn.used += 1
            return self._views[name]  # type: ignore[no-any-return]
        return self._scratch(name)

    def rows(self, name: str, ids: Array, dy: Array) -> None:
        """Adds `dy` (n, ...) to the rows `ids` (n,) of a gradient, in the order in which they stand there."""
        if self._seen.get(name) != self._turn.number:
            self.into(name).fill(0)
        touched, sums = sums_by_id(ids, dy)
        self._views[name][touched] += sums

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
                value.fill(0)


def sums_by_id(ids: Array, values: Array) -> tuple[Array, Array]:
    """The different `ids` (n,), and for each the sum of its rows of `values` (n, k), added in their order.

    The product with a sparse matrix of ones: many times as fast as adding row by row.
    """
    from scipy.sparse import csr_array

    order = np.argsort(ids, kind="stable")
    touched, starts = np.unique(ids[order], return_index=True)
    ones = np.ones(len(ids), values.dtype)
    matrix = csr_array((ones, order, np.append(starts, len(ids))), shape=(len(touched), len(ids)))
    return touched, matrix @ values


def _count(views: dict[str, Any]) -> int:
    return sum(_count(value) if isinstance(value, dict) else 1 for value in views.values())
