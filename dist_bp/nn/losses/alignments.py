"""Ways of spelling a sequence of labels by longer sequences of labels and blanks, and how likely they are together.

Graves et al. 2006 (Connectionist temporal classification), sections 4.1 and 4.2, in the logarithms of the
probabilities. The states of a sample are its labels with a blank before, between and behind them; a way goes through
the states in order, one at each position, stays at any, and passes over a blank between different labels.
"""

from typing import NamedTuple

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.types import Array

NEVER = -1e30
"""The logarithm of no probability: unlike -inf it never makes a NaN."""


class Alignments(NamedTuple):
    """The logarithm (n,) of the probability of all ways together, and the part of it that has each unit at a position,
    (n, positions, units), 0 beyond a sample's length."""

    total: Array
    parts: Array


class Labels(NamedTuple):
    """Labels (n, most) and how many of them each sample has."""

    values: Array
    counts: Array

    @property
    def needed(self) -> Array:
        """How many positions (n,) the shortest way takes: a blank between equal labels."""
        equal = self.values[:, 1:] == self.values[:, :-1]
        there = np.arange(1, self.values.shape[1]) < self.counts[:, np.newaxis]
        needed: Array = self.counts + np.count_nonzero(equal & there, axis=1)
        return needed


def align(scores: Array, lengths: Array, labels: Labels, ctx: Context) -> Alignments:
    """`scores` (n, positions, units), float64 logarithms of probabilities, the last unit is the blank.

    Both results mean nothing for a sample with fewer positions (`lengths`, n) than its labels need.
    """
    n, positions, units = scores.shape
    states, ends = _states(labels, units - 1), 2 * labels.counts + 1
    count = states.shape[1]
    shape = (positions, n, count)
    turned = _turned(lengths, ends, shape, ctx)

    at = ctx.buffer("ctc.at", shape, np.int64)
    np.add(np.arange(n)[:, np.newaxis] * (positions * units), states, out=at)
    np.add(at, (np.arange(positions) * units)[:, np.newaxis, np.newaxis], out=at)
    both = ctx.buffer("ctc.emitted", (2, *shape), np.float64)
    emitted = both[0]
    scores.reshape(-1).take(at, out=emitted, mode="clip")
    emitted.reshape(-1).take(turned, out=both[1], mode="clip")

    ways = ctx.buffer("ctc.ways", (positions, 2, n, count + 2), np.float64)
    _go_through(both, np.stack([_passed(states, ends), _passed(_reversed(states, ends), ends)]), ways, ctx)
    rows = np.arange(n)
    last = ways[np.maximum(lengths - 1, 0), 0, rows]
    total = np.logaddexp(last[rows, ends + 1], last[rows, ends])
    total[lengths == 0] = 0.0  # where it needs none, an empty sample is spelled for certain

    before, after = (ctx.buffer(f"ctc.{name}", shape, np.float64) for name in ("before", "after"))
    np.copyto(before, ways[:, 1, :, 2:])
    before.reshape(-1).take(turned, out=after, mode="clip")
    np.add(after, ways[:, 0, :, 2:], out=after)
    np.subtract(after, emitted, out=after)  # which both ways have counted
    np.subtract(after, total[:, np.newaxis], out=after)
    np.exp(np.minimum(after, 0.0, out=after), out=after)
    np.multiply(after, np.arange(count) < ends[:, np.newaxis], out=after)
    np.multiply(after, (np.arange(positions)[:, np.newaxis] < lengths)[:, :, np.newaxis], out=after)
    own = ctx.buffer("ctc.own", (n, count, units), np.float64)
    np.equal(states[:, :, np.newaxis], np.arange(units), out=own, casting="unsafe")
    parts = ctx.buffer("ctc.parts", scores.shape, np.float64)
    np.matmul(after.transpose(1, 0, 2), own, out=parts)
    return Alignments(total, parts)


def _go_through(emitted: Array, passed: Array, ways: Array, ctx: Context) -> None:
    """Fills `ways` (positions, 2, n, 2 + states) with the logarithm of all ways to each state, behind two that are
    never reached; `emitted` (2, positions, n, states) and, of the way over a blank, `passed` (2, n, states)."""
    ways[..., :2] = NEVER
    if not len(ways):
        return
    ways[0, ..., 2:] = NEVER
    ways[0, ..., 2:4] = emitted[:, 0, :, :2]
    came = ctx.buffer("ctc.came", (3, *passed.shape), np.float64)
    sums = ctx.buffer("ctc.sums", passed.shape, np.float64)
    for position in range(1, len(ways)):
        now, was = ways[position, ..., 2:], ways[position - 1]
        np.copyto(came[0], was[..., 2:])
        np.copyto(came[1], was[..., 1:-1])
        np.add(was[..., :-2], passed, out=came[2])
        np.maximum.reduce(came, axis=0, out=now)
        np.subtract(came, now, out=came)
        np.exp(came, out=came)
        np.add.reduce(came, axis=0, out=sums)
        np.log(sums, out=sums)
        np.add(now, sums, out=now)
        np.add(now, emitted[:, position], out=now)


def _states(labels: Labels, blank: int) -> Array:
    """Labels with blanks around them, (n, 2 * most + 1); blanks behind the last."""
    n, most = labels.values.shape
    states = np.full((n, 2 * most + 1), blank)
    there = np.arange(most) < labels.counts[:, np.newaxis]
    states[:, 1::2] = np.where(there, labels.values, blank)
    return states


def _reversed(states: Array, ends: Array) -> Array:
    """The states of each sample from its last to its first."""
    at = np.clip(ends[:, np.newaxis] - 1 - np.arange(states.shape[1]), 0, None)
    return np.take_along_axis(states, at, axis=1)


def _passed(states: Array, ends: Array) -> Array:
    """0 where a state may come after the one two before it, a label after another one, else NEVER."""
    passed = np.full(states.shape, NEVER)
    passed[:, 3::2] = np.where(states[:, 3::2] != states[:, 1:-2:2], 0.0, NEVER)
    return passed


def _turned(lengths: Array, ends: Array, shape: tuple[int, ...], ctx: Context) -> Array:
    """Where in an array of this shape (positions, n, states) is what a sample has at the same distance from its end."""
    positions, n, count = shape
    at = ctx.buffer("ctc.turned", shape, np.int64)
    backwards = np.clip(lengths - 1 - np.arange(positions)[:, np.newaxis], 0, None)
    states = np.clip(ends[:, np.newaxis] - 1 - np.arange(count), 0, None)
    np.multiply((backwards * n + np.arange(n))[:, :, np.newaxis], count, out=at)
    np.add(at, states, out=at)
    return at
