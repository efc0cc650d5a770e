"""From positions to the heads of an attention and back."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.windows import whole
from dist_bp.nn.types import Views
from dist_bp.types import Array


class Projected(NamedTuple):
    """What a dense layer makes of the positions of one input: `parts` (count, n, heads, positions, size).

    `backward(grads)` takes the `gradients` of the parts, which are to be filled before, and returns that of the input.
    """

    parts: Array
    gradients: Array
    backward: Callable[[Gradients], Array | None]


def project(x: Array, dense: Dense, count: int, heads: int, params: Views, ctx: Context) -> Projected:
    """`x` (n, positions, channels) through `dense`, whose units are the `count` parts of all heads."""
    made, dense_back = dense.forward(x, params, ctx)
    parts = split(made, count, heads, ctx)
    gradients = ctx.buffer("d_parts", parts.shape)

    def backward(grads: Gradients) -> Array | None:
        return dense_back(join(gradients, ctx), grads)  # type: ignore[no-any-return]

    return Projected(parts, gradients, backward)


def split(rows: Array, count: int, heads: int, ctx: Context) -> Array:
    """(n, positions, count * heads * size) -> (count, n, heads, positions, size)."""
    n, positions, width = rows.shape
    size = width // (count * heads)
    parts = ctx.buffer("split", (count, n, heads, positions, size))
    np.copyto(whole(parts), whole(rows.reshape(n, positions, count, heads, size)).transpose(2, 0, 3, 1))
    return parts


def join(parts: Array, ctx: Context) -> Array:
    """The way back from (count, n, heads, positions, size)."""
    count, n, heads, positions, size = parts.shape
    rows = ctx.buffer("joined", (n, positions, count * heads * size))
    np.copyto(whole(rows.reshape(n, positions, count, heads, size)), whole(parts).transpose(1, 3, 0, 2))
    return rows
