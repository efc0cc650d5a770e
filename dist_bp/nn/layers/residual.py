"""The residual connection."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.sequential import Sequential
from dist_bp.nn.types import NO_VIEWS, Backward, Views
from dist_bp.options import Doc, MinLen
from dist_bp.types import Array, Shape


class Residual(Layer):
    """Adds its input to the output of its layers.

    y = x + layers(x) (He et al. 2016, eq. 1); the layers keep the shape.
    """

    def __init__(
        self,
        layers: Annotated[Sequence[Layer], MinLen(1), Doc("The layers between input and sum; they keep the shape.")],
    ) -> None:
        self.layers = Sequential(layers)

    @property
    def count(self) -> int:
        return self.layers.count

    def declare(self, input_shape: Shape) -> Declaration:
        inner = self.layers.declare(input_shape)
        if inner.output != input_shape:
            raise ShapeError(
                f"residual adds its input to what its layers make of it: {input_shape} became "
                f"{inner.output}, so let its last layer give back the shape of its input"
            )
        return Declaration(
            input_shape,
            {f"layers.{name}": parameter for name, parameter in inner.parameters.items()},
            {f"layers.{name}": statistic for name, statistic in inner.statistics.items()},
        )

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        branch, branch_back = self.layers.forward(
            x, params.get("layers", NO_VIEWS), ctx.child("layers", ctx.needs_input_grad)
        )
        y = ctx.buffer("y", x.shape)
        np.add(x, branch, out=y)

        def backward(dy: Array, grads: Views) -> Array | None:
            straight = ctx.buffer("straight", dy.shape)
            np.copyto(straight, dy)
            dx = branch_back(dy, grads.get("layers", NO_VIEWS))
            return None if dx is None else np.add(dx, straight, out=dx)

        return y, backward
