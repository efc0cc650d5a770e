"""Layers that only look at the samples in another shape."""

import math
from collections.abc import Sequence

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.types import Backward, Shape, Views
from dist_bp.types import Array


def _reshaped(x: Array, shape: Shape) -> tuple[Array, Backward]:
    def backward(dy: Array, grads: Views) -> Array:
        return dy.reshape(x.shape)

    return x.reshape(len(x), *shape), backward


class Flatten(Layer):
    """(n, a, b, ...) -> (n, a * b * ...)."""

    def declare(self, input_shape: Shape) -> Declaration:
        return Declaration((math.prod(input_shape),))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        return _reshaped(x, (math.prod(x.shape[1:]),))


class Reshape(Layer):
    """(n, ...) -> (n, *shape), the elements in C order."""

    def __init__(self, shape: Sequence[int]) -> None:
        self.shape = tuple(shape)

    def declare(self, input_shape: Shape) -> Declaration:
        had, asked = math.prod(input_shape), math.prod(self.shape)
        if had != asked or min(self.shape, default=1) < 1:
            raise ShapeError(
                f"reshape to {self.shape} needs {asked} values a sample, {input_shape} has {had}: "
                f"give positive sizes whose product is {had}"
            )
        return Declaration(self.shape)

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        return _reshaped(x, self.shape)
