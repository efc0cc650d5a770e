"""What layers that normalise share: gain and offset, and the inverse root of a variance."""

import math

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant
from dist_bp.nn.layer import Parameter
from dist_bp.nn.types import Views
from dist_bp.types import Array, Shape


def gain_and_offset(input_shape: Shape, kind: str) -> dict[str, Parameter]:
    """The parameters of y = gain * normal + offset. Raises ShapeError where a sample has no axis."""
    if not input_shape:
        raise ShapeError(f"{kind} needs samples with an axis of features, got single numbers")
    return {
        "gain": Parameter(input_shape[-1:], Constant(1.0), decay=False),
        "offset": Parameter(input_shape[-1:], Constant(0.0), decay=False),
    }


def scaled(normal: Array, params: Views, y: Array, ctx: Context) -> None:
    """y = gain * normal + offset."""
    rows = in_rows(y)
    np.multiply(in_rows(normal), along_rows(params["gain"], y, ctx), out=rows)
    np.add(rows, along_rows(params["offset"], y, ctx), out=rows)


def affine_gradients(dy: Array, normal: Array, grads: Gradients, ctx: Context) -> None:
    """The gradients of gain and offset where y = gain * normal + offset."""
    scratch = ctx.buffer("scratch", dy.shape)
    np.multiply(dy, normal, out=scratch)
    sum_rows(in_rows(scratch, 1), dy, ctx, out=grads.into("gain").reshape(1, 1, -1))
    sum_rows(in_rows(dy, 1), dy, ctx, out=grads.into("offset").reshape(1, 1, -1))


def in_rows(array: Array, parts: int | None = None) -> Array:
    """A view (rows, channels of all positions of a row), or (parts, rows of a part, ...): NumPy's loops go along such a
    row, and are slow where it is short."""
    length = math.prod(array.shape[-2:]) if array.ndim > 2 else array.shape[-1]
    rows = array.size // length
    return array.reshape(rows, length) if parts is None else array.reshape(parts, rows // max(parts, 1), length)


def along_rows(vectors: Array, x: Array, ctx: Context) -> Array:
    """`vectors` (..., channels) again for each position of a row of `x`; valid until the next call."""
    if x.ndim < 3:
        return vectors
    repeated = ctx.buffer("along_rows", (*vectors.shape[:-1], *x.shape[-2:]))
    np.copyto(repeated, vectors[..., None, :])
    return repeated.reshape(*vectors.shape[:-1], math.prod(x.shape[-2:]))


def sum_rows(rows: Array, x: Array, ctx: Context, out: Array) -> None:
    """Sums of parts of `x` in rows (parts, rows, ...), for each channel: `out` (parts, 1, channels)."""
    if x.ndim < 3:
        np.add.reduce(rows, axis=1, keepdims=True, out=out)
        return
    sums = ctx.buffer("row_sums", (len(rows), rows.shape[-1]))
    np.add.reduce(rows, axis=1, out=sums)
    np.add.reduce(sums.reshape(len(rows), *x.shape[-2:]), axis=1, keepdims=True, out=out)


def inverse_root(variance: Array, epsilon: float, out: Array) -> None:
    """1 / sqrt(variance + epsilon)."""
    np.add(variance, epsilon, out=out)
    np.sqrt(out, out=out)
    np.reciprocal(out, out=out)
