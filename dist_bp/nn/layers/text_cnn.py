"""Convolutions of several widths over time, and the largest output of each filter."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import numpy as np

from dist_bp.errors import OptionError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant
from dist_bp.nn.layer import Declaration, Parameter
from dist_bp.nn.layers.affine import Activation, Affine, Bias, Start, as_rows
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, MinLen
from dist_bp.signals import Field, Signal, Spec, one_sequence, with_lengths
from dist_bp.types import Array

if TYPE_CHECKING:
    from scipy.sparse import csr_array


class TextCnn(Affine):
    """Filters over windows of some positions, and the largest output of each: (n, positions, channels) -> (n, outputs).

    Kim 2014, Convolutional neural networks for sentence classification: `filters` outputs for each of `widths`. A
    window lies within its sequence; one that is shorter has zeros behind it. Of equal outputs the first gets the
    gradient.
    """

    positionwise = False

    def __init__(
        self,
        filters: Annotated[Count, Doc("Outputs of each width.")],
        widths: Annotated[Annotated[Sequence[Count], MinLen(1)], Doc("Positions in a window.")] = (3, 4, 5),
        activation: Activation = None,
        bias: Bias = True,
        initializer: Start = None,
    ) -> None:
        super().__init__(activation, bias, initializer)
        if len({*widths}) != len(widths):
            raise OptionError("widths", "must be different ones: take more filters")
        self.filters = filters
        self.widths = tuple(widths)

    def declare(self, spec: Spec) -> Declaration:
        field = one_sequence(spec, self.kind)
        channels, outputs = field.shape[-1], self.filters * len(self.widths)
        parameters = {
            _weight(width): Parameter((channels * width, self.filters), self.initializer) for width in self.widths
        }
        if self.bias:
            parameters["bias"] = Parameter((outputs,), Constant(0.0), decay=False)
        return Declaration(Field((outputs,)), parameters)

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Array, Backward]:
        values, lengths = with_lengths(x)
        n, positions, channels = values.shape
        longest = max(positions, *self.widths)
        inside = np.arange(longest) < lengths[:, np.newaxis]
        padded = ctx.buffer("padded", (n, longest, channels))
        padded[:, positions:] = 0
        np.multiply(values, inside[:, :positions, np.newaxis], out=padded[:, :positions])
        rows, y = as_rows(padded), ctx.buffer("y", (n, self.filters * len(self.widths)))
        for part, width in zip(self._parts(y), self.widths, strict=True):
            products = ctx.scratch("products", (n, longest, width * self.filters))
            np.matmul(rows, _columns(params[_weight(width)], channels), out=as_rows(products))
            sums = ctx.scratch("sums", (n, longest - width + 1, self.filters))
            _add_windows(products, sums)
            beyond = np.arange(sums.shape[1]) > np.maximum(lengths - width, 0)[:, np.newaxis]
            np.copyto(sums, -np.inf, where=beyond[:, :, np.newaxis])
            by_filter = ctx.scratch("by filter", (n, self.filters, sums.shape[1]))  # argmax would make a copy like it
            np.copyto(by_filter, sums.swapaxes(1, 2))
            np.argmax(by_filter, axis=2, out=self._places(width, n, ctx))
            np.maximum.reduce(sums, axis=1, out=part)
        slope = self._activate(y, params, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            dy = self._before_activation(dy, slope, grads)
            dx = ctx.buffer("dx", padded.shape) if ctx.needs_input_grad else None
            if dx is not None:
                dx.fill(0)
            for part, width in zip(self._parts(dy), self.widths, strict=True):
                spread = _spread(part, self._places(width, n, ctx), width, longest)
                np.copyto(_columns(grads.into(_weight(width)), channels), (spread @ rows).T)
                if dx is not None:
                    more = spread.T @ _columns(params[_weight(width)], channels).T
                    np.add(as_rows(dx), more, out=as_rows(dx))
            if dx is None:
                return None
            np.multiply(dx, inside[:, :, np.newaxis], out=dx)
            return dx[:, :positions]

        return y, backward

    def _parts(self, outputs: Array) -> list[Array]:
        """Those of each width."""
        return [outputs[:, start : start + self.filters] for start in range(0, outputs.shape[1], self.filters)]

    def _places(self, width: int, n: int, ctx: Context) -> Array:
        """(n, filters): which window was the largest."""
        return ctx.buffer(f"places {width}", (n, self.filters), np.intp)


def _weight(width: int) -> str:
    return f"weight_{width}"


def _columns(weight: Array, channels: int) -> Array:
    """(channels, width * filters): what each position of a window is multiplied by, side by side."""
    return weight.reshape(channels, -1)


def _add_windows(products: Array, sums: Array) -> None:
    """`sums` (n, windows, filters) of `products` (n, positions, width * filters) of each position with each place in a
    window."""
    _, windows, filters = sums.shape
    np.copyto(sums, products[:, :windows, :filters])
    for place in range(1, products.shape[2] // filters):
        column = place * filters
        np.add(sums, products[:, place : place + windows, column : column + filters], out=sums)


def _spread(dy: Array, places: Array, width: int, longest: int) -> "csr_array":
    """The gradient of the products, (width * filters, n * longest): only the largest windows have any, so that dense
    products with it would cost many times as much."""
    from scipy.sparse import csr_array

    n, filters = dy.shape
    first = places.T + np.arange(n) * longest
    at = first + np.arange(width)[:, np.newaxis, np.newaxis]
    values = np.broadcast_to(dy.T, at.shape)
    starts = np.arange(width * filters + 1) * n
    return csr_array((values.reshape(-1), at.reshape(-1), starts), shape=(width * filters, n * longest))
