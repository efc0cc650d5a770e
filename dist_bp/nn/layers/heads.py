"""From positions to the heads of an attention and back."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.windows import whole
from dist_bp.nn.types import Views
from dist_bp.types import Array, Shape


class Projected(NamedTuple):
    """What a dense layer makes of the positions of one input: `parts` (count, n, heads, positions, size).

    `backward(gradients, grads)` takes those of the parts and returns that of the input.
    """

    parts: Array
    backward: Callable[[Array, Gradients], Array | None]


def project(x: Array, dense: Dense, count: int, heads: int, params: Views, ctx: Context) -> Projected:
    """`x` (n, positions, channels) through `dense`, whose units are the `count` parts of all heads."""
    made, dense_back = dense.forward(x, params, ctx)
    parts = ctx.buffer("parts", split_shape(made.shape, count, heads))
    split(made, parts)

    def backward(gradients: Array, grads: Gradients) -> Array | None:
        joined = ctx.scratch("joined", made.shape)
        join(gradients, joined)
        return dense_back(joined, grads)  # type: ignore[no-any-return]

    return Projected(parts, backward)


def split_shape(shape: Shape, count: int, heads: int) -> Shape:
    """Of the parts of positions of a shape (n, positions, count * heads * size)."""
    n, positions, width = shape
    return count, n, heads, positions, width // (count * heads)


def split(rows: Array, parts: Array) -> None:
    """(n, positions, count * heads * size) into (count, n, heads, positions, size)."""
    np.copyto(whole(parts), _by_part(rows, parts))


def join(parts: Array, rows: Array) -> None:
    """The way back."""
    np.copyto(_by_part(rows, parts), whole(parts))


def _by_part(rows: Array, parts: Array) -> Array:
    """The vectors of `rows` in the order of the parts: a view."""
    count, n, heads, positions, size = parts.shape
    return whole(rows.reshape(n, positions, count, heads, size)).transpose(2, 0, 3, 1)
