"""What attention is once there are queries, keys and values: softmax(queries @ keys.T) @ values, and its gradients.

Vaswani et al. 2017 (Attention is all you need), eq. 1. The scores are never normalised: with E = exp(scores) and l the
sums of its rows, o = (E @ values) / l; backwards, with d = do / l and * elementwise,

    d_scores = E * (d @ values.T - sum(d * o))    d_queries = d_scores @ keys
    d_values = E.T @ d                            d_keys = d_scores.T @ queries
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.types import Array

HIDDEN = -1e30
"""Added to the scores of keys that a query does not see: exp of it is 0, and unlike -inf it never makes a NaN."""
SAFE = 40.0
"""Scores that cannot be larger are not made smaller before exp, neither they nor their gradients leave float32."""
BLOCK_BYTES = 2**20
"""Size of the scores of a block of samples: larger ones leave the cache, in smaller ones the calls cost the most."""
KEPT_BYTES = 2**26
"""Up to this size exp(scores) is kept for the way back; beyond, and in evaluation, it is computed twice."""

Attended = Callable[[Array, Sequence[Array]], None]


def attend(
    queries: Array, keys: Array, values: Array, causal: bool, lengths: Array | None, ctx: Context
) -> tuple[Array, Attended]:
    """`queries` (n, heads, positions, size), scaled, `keys` and `values` (n, heads, more, size) -> o like the queries,
    and backward.

    `causal`: the last query sees all keys, the one before it all but the last, and so on. `lengths` (n,) of the keys,
    None where they are all there. A query that sees no key gets 0. `backward(do, gradients)` overwrites `do` and fills
    the three `gradients`, those of queries, keys and values.
    """
    powers = _Powers(queries, keys, causal, lengths, ctx)
    sums = ctx.buffer("sums", (*queries.shape[:-1], 1))
    o = ctx.buffer("o", queries.shape)
    ones = ctx.buffer("ones", (keys.shape[2], 1), fill=_one)
    for part in powers.parts:
        weights = powers.compute(part)
        np.matmul(weights, ones, out=sums[part])
        np.matmul(weights, values[part], out=o[part])
    nothing = np.equal(sums, 0.0, out=ctx.buffer("nothing", sums.shape))
    np.add(sums, nothing, out=sums)
    np.divide(o, sums, out=o)

    def backward(do: Array, gradients: Sequence[Array]) -> None:
        d_queries, d_keys, d_values = gradients
        np.divide(do, sums, out=do)
        products = np.vecdot(do, o, out=sums[..., 0])[..., np.newaxis]
        for part in powers.parts:
            weights = powers.again(part)
            d_scores = ctx.scratch("d_scores", weights.shape)
            np.matmul(do[part], values[part].swapaxes(2, 3), out=d_scores)
            np.subtract(d_scores, products[part], out=d_scores)
            np.multiply(d_scores, weights, out=d_scores)
            np.matmul(d_scores, keys[part], out=d_queries[part])
            np.matmul(d_scores.swapaxes(2, 3), queries[part], out=d_keys[part])
            np.matmul(weights.swapaxes(2, 3), do[part], out=d_values[part])

    return o, backward


class _Powers:
    """exp(queries @ keys.T), 0 for keys that are not seen; of some samples at a time, those of `parts`."""

    def __init__(self, queries: Array, keys: Array, causal: bool, lengths: Array | None, ctx: Context) -> None:
        self._queries, self._keys, self._ctx = queries, keys, ctx
        n, heads, positions, _ = queries.shape
        more = keys.shape[2]
        size = max(heads * positions * more * queries.itemsize, 1)
        rows = max(1, BLOCK_BYTES // size)
        self.parts = [slice(start, min(start + rows, n)) for start in range(0, n, rows)]
        self._kept = ctx.buffer("powers", (n, heads, positions, more)) if self._keeps(n * size) else None
        self._bounded = _largest(queries, ctx) * _largest(keys, ctx) <= SAFE
        self._later = _later(positions, more, ctx) if causal and positions > 1 else None
        self._absent = None if lengths is None else _absent(lengths, more, ctx)

    def _keeps(self, nbytes: int) -> bool:
        return self._ctx.training and nbytes <= KEPT_BYTES

    def compute(self, part: slice) -> Array:
        """(samples, heads, positions, more), valid until the next call."""
        queries, keys = self._queries[part], self._keys[part].swapaxes(2, 3)
        shape = (*queries.shape[:3], keys.shape[3])
        scores = self._ctx.scratch("scores", shape) if self._kept is None else self._kept[part]
        np.matmul(queries, keys, out=scores)
        if self._later is not None:
            np.add(scores, self._later, out=scores)
        if self._absent is not None:
            np.add(scores, self._absent[part], out=scores)
        if not self._bounded:
            largest = self._ctx.scratch("largest", (*shape[:3], 1))
            np.maximum.reduce(scores, axis=3, keepdims=True, out=largest)
            np.maximum(largest, HIDDEN / 2, out=largest)
            np.subtract(scores, largest, out=scores)
        return np.exp(scores, out=scores)

    def again(self, part: slice) -> Array:
        """What `compute` gave for the part."""
        return self.compute(part) if self._kept is None else self._kept[part]


def _largest(vectors: Array, ctx: Context) -> float:
    """The largest length of a vector."""
    squares = np.vecdot(vectors, vectors, out=ctx.scratch("squares", vectors.shape[:-1]))
    return math.sqrt(squares.max(initial=0.0))


def _later(positions: int, more: int, ctx: Context) -> Array:
    """What hides the keys after each query, (positions, more): a window over zeros that moves into what hides."""
    row = ctx.buffer("later", (more + positions - 1,))
    row[:more] = 0.0
    row[more:] = HIDDEN
    return np.lib.stride_tricks.sliding_window_view(row, more)[::-1]


def _absent(lengths: Array, more: int, ctx: Context) -> Array:
    """What hides the keys beyond each sample's length, (n, 1, 1, more)."""
    hidden = ctx.buffer("absent", (len(lengths), more))
    at = ctx.buffer("at", (more,), np.int64)
    at[:] = np.arange(more)
    np.greater_equal(at, lengths[:, np.newaxis], out=hidden, casting="unsafe")
    np.multiply(hidden, HIDDEN, out=hidden)
    return hidden[:, np.newaxis, np.newaxis]


def _one(array: Array) -> None:
    array.fill(1.0)
