"""Sequences of different lengths without gaps, for layers that go through them position by position."""

from typing import NamedTuple

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.types import Array


class Step(NamedTuple):
    """One position of all sequences that have it: `now` are its rows, `before` and `after` those of the states that it
    starts from and of the states that it makes."""

    now: slice
    before: slice
    after: slice


class Packing:
    """The longest sequence first, one position after another: those that have it are the first ones.

    Values have a row for each position of each sequence. States have `count` rows more, which stand before these and
    are 0: what every sequence starts from, and what there is beyond its end.
    """

    def __init__(self, lengths: Array, longest: int, ctx: Context) -> None:
        """`lengths` (n,) of sequences in an array (n, longest, ...)."""
        self.count, self.rows = len(lengths), int(lengths.sum())
        self._places = self.count * longest
        self._states: dict[str, Array] = {}
        order = np.argsort(-lengths, kind="stable")
        ordered = lengths[order]
        self._order = order
        self._first = order * longest
        self._last = self._first + ordered - 1
        having = np.searchsorted(-ordered, -np.arange(ordered.max(initial=0)))
        starts = np.concatenate([[0, self.count], self.count + np.cumsum(having)])
        self.steps = [
            Step(
                slice(start - self.count, start - self.count + size),
                slice(before, before + size),
                slice(start, start + size),
            )
            for before, start, size in zip(starts.tolist(), starts[1:].tolist(), having.tolist(), strict=False)
        ]
        self.final = np.empty_like(order)
        """(n,): the row of the states after the last position of each sequence."""
        self.final[order] = starts[ordered] + np.arange(self.count)

    def source(self, ctx: Context, backwards: bool = False) -> Array:
        """(rows,): which of all (n * longest) positions is in each row; `backwards`: each sequence from its end."""
        source = ctx.buffer("source", (self.rows,), "int64")
        first, move = (self._last, np.subtract) if backwards else (self._first, np.add)
        for position, step in enumerate(self.steps):
            move(first[: step.now.stop - step.now.start], position, out=source[step.now])
        return source

    def places(self, source: Array, ctx: Context) -> Array:
        """(n * longest,): the row of the states after each position, one of zeros beyond a sequence's end."""
        places = ctx.buffer("places", (self._places,), "int64")
        places.fill(0)
        places[source] = np.arange(self.count, self.count + self.rows)
        return places

    def states(self, name: str, size: int, ctx: Context) -> Array:
        """Memory for states of `size` numbers (n + rows, size), the first n of them 0; where samples come a part at a
        time, those that `keep` has kept of the part before."""
        states = self._states[name] = ctx.buffer(name, (self.count + self.rows, size))
        if ctx.past:
            np.take(ctx.buffer(f"last {name}", (self.count, size)), self._order, axis=0, out=states[: self.count])
        else:
            states[: self.count] = 0
        return states

    def keep(self, ctx: Context) -> None:
        """Keeps the last states of all samples for the next part of them, if they come a part at a time."""
        if ctx.past is not None:
            for name, states in self._states.items():
                np.take(states, self.final, axis=0, out=ctx.buffer(f"last {name}", (self.count, states.shape[1])))

    def before(self, states: Array, name: str, ctx: Context) -> Array:
        """(rows, size): the state that each row starts from."""
        before = ctx.buffer(name, (self.rows, states.shape[1]))
        for step in self.steps:
            np.copyto(before[step.now], states[step.before])
        return before
