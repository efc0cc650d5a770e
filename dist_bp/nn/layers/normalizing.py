"""What layers that normalise share: gain and offset, the inverse root of a variance, and samples each by itself."""

import math
from abc import abstractmethod

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant
from dist_bp.nn.layer import Layer, Parameter
from dist_bp.nn.types import Backward, Views
from dist_bp.signals import Ragged, Signal
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
    scratch = ctx.scratch("scratch", dy.shape)
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


class Normalizing(Layer):
    """Normalises each sample by itself: y = gain * (x - mean) / sqrt(variance + epsilon) + offset.

    Of ragged samples, if `declare` lets them in, the positions count that they have.
    """

    def __init__(self, epsilon: float) -> None:
        self.epsilon = epsilon

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        if not isinstance(x, Ragged):
            return self._forward(x, None, params, ctx)
        own = ctx.buffer("own", x.values.shape)
        np.copyto(own, x.values)
        _clear(own, x.lengths)
        y, backward = self._forward(own, x.lengths, params, ctx)
        return Ragged(y, x.lengths), backward

    def _forward(self, x: Array, lengths: Array | None, params: Views, ctx: Context) -> tuple[Array, Backward]:
        """Of ragged samples the values beyond their `lengths` are 0."""
        normal, y = ctx.buffer("normal", x.shape), ctx.buffer("y", x.shape)
        mean, inverse = (ctx.buffer(name, self._averages(x.shape)) for name in ("mean", "inverse"))
        self._average(x, lengths, mean, ctx)
        self._each(np.subtract, x, mean, normal, ctx)
        _clear(normal, lengths)
        np.multiply(normal, normal, out=y)
        self._average(y, lengths, inverse, ctx)
        inverse_root(inverse, self.epsilon, out=inverse)
        self._each(np.multiply, normal, inverse, normal, ctx)
        scaled(normal, params, y, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            affine_gradients(dy, normal, grads, ctx)
            if not ctx.needs_input_grad:
                return None
            scratch = ctx.scratch("scratch", x.shape)
            np.multiply(in_rows(dy), along_rows(params["gain"], x, ctx), out=in_rows(dy))
            self._average(dy, lengths, mean, ctx)
            self._each(np.subtract, dy, mean, dy, ctx)
            np.multiply(dy, normal, out=scratch)
            self._average(scratch, lengths, mean, ctx)
            self._each(np.multiply, normal, mean, scratch, ctx)
            np.subtract(dy, scratch, out=dy)
            self._each(np.multiply, dy, inverse, dy, ctx)
            _clear(dy, lengths)
            return dy

        return y, backward

    @abstractmethod
    def _averages(self, shape: Shape) -> Shape:
        """The shape of the averages of samples `x` of a shape, with the rows."""

    @abstractmethod
    def _average(self, values: Array, lengths: Array | None, out: Array, ctx: Context) -> None:
        """Fills `out` with the averages over what is normalised together; beyond the `lengths` of ragged samples values
        are 0, and none."""

    @abstractmethod
    def _each(self, operation: np.ufunc, x: Array, averages: Array, out: Array, ctx: Context) -> None:
        """`out` = `operation` of each element of `x` and the average that it belongs to."""


def _clear(values: Array, lengths: Array | None) -> None:
    """Makes values beyond the lengths of ragged samples 0."""
    if lengths is not None:
        for sample, length in zip(values, lengths.tolist(), strict=True):
            sample[length:] = 0
