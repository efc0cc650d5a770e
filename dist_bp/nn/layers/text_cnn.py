"""Convolutions of several widths over time, and the largest output of each filter."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from dist_bp.errors import OptionError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant
from dist_bp.nn.layer import Declaration, Parameter
from dist_bp.nn.layers.affine import Activation, Affine, Bias, Start, as_rows
from dist_bp.nn.layers.attention import sequence
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, MinLen
from dist_bp.signals import Field, Signal, Spec, one_field, with_lengths
from dist_bp.types import Array


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
        field = sequence(one_field(spec, self.kind), self.kind)
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
            products, sums, at = self._room(width, n, longest, ctx)
            np.matmul(rows, _columns(params[_weight(width)], channels), out=as_rows(products))
            count = longest - width + 1
            np.copyto(sums, products[:, :count, : self.filters])
            for step in range(1, width):
                column = step * self.filters
                np.add(sums, products[:, step : step + count, column : column + self.filters], out=sums)
            beyond = np.arange(count) > np.maximum(lengths - width, 0)[:, np.newaxis]
            np.copyto(sums, -np.inf, where=beyond[:, :, np.newaxis])
            np.argmax(sums, axis=1, out=at)
            np.maximum.reduce(sums, axis=1, out=part)
        slope = self._activate(y, params, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            dy = self._before_activation(dy, slope, grads)
            dx = ctx.buffer("dx", padded.shape) if ctx.needs_input_grad else None
            for place, (part, width) in enumerate(zip(self._parts(dy), self.widths, strict=True)):
                products, _, at = self._room(width, n, longest, ctx)
                _scatter(part, at, products)
                back, weight = as_rows(products), _columns(params[_weight(width)], channels)
                np.matmul(rows.T, back, out=_columns(grads.into(_weight(width)), channels))
                if dx is not None and not place:
                    np.matmul(back, weight.T, out=as_rows(dx))
                elif dx is not None:
                    more = ctx.buffer("more", padded.shape)
                    np.matmul(back, weight.T, out=as_rows(more))
                    np.add(dx, more, out=dx)
            if dx is None:
                return None
            np.multiply(dx, inside[:, :, np.newaxis], out=dx)
            return dx[:, :positions]

        return y, backward

    def _parts(self, outputs: Array) -> list[Array]:
        """Those of each width."""
        return [outputs[:, start : start + self.filters] for start in range(0, outputs.shape[1], self.filters)]

    def _room(self, width: int, n: int, longest: int, ctx: Context) -> tuple[Array, Array, Array]:
        """Products of each position with each place in a window, their sums, and where these are largest."""
        products = ctx.buffer(f"products {width}", (n, longest, width * self.filters))
        sums = ctx.buffer(f"sums {width}", (n, longest - width + 1, self.filters))
        return products, sums, ctx.buffer(f"at {width}", (n, self.filters), np.intp)


def _weight(width: int) -> str:
    return f"weight_{width}"


def _columns(weight: Array, channels: int) -> Array:
    """(channels, width * filters): what each position of a window is multiplied by, side by side."""
    return weight.reshape(channels, -1)


def _scatter(dy: Array, at: Array, products: Array) -> None:
    """Fills `products` (n, positions, width * filters) with the gradients of the windows that were largest."""
    n, filters = dy.shape
    _, positions, columns = products.shape
    products.fill(0)
    flat = products.reshape(-1)
    first = (np.arange(n)[:, np.newaxis] * positions + at) * columns + np.arange(filters)
    for step in range(columns // filters):
        flat[first + step * (columns + filters)] = dy
