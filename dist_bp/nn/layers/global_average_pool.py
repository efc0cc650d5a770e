"""The mean over all positions."""

import math

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.types import Backward, Views
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class GlobalAveragePool(Layer):
    """The mean of each channel over all positions: (n, ..., channels) -> (n, channels)."""

    positionwise = False

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind, ragged=False)
        if len(field.shape) < 2:
            raise ShapeError(
                f"{self.kind} takes samples with positions and channels, got {field.shape}: bring them there with "
                "{type: reshape}"
            )
        return Declaration(field.shaped(field.shape[-1:]))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        part = 1.0 / math.prod(x.shape[1:-1])
        rows = x.reshape(len(x), -1, x.shape[-1]) if len(x) else x.reshape(0, 1, x.shape[-1])
        y = ctx.buffer("y", (len(x), x.shape[-1]))
        np.add.reduce(rows, axis=1, out=y)
        np.multiply(y, part, out=y)

        def backward(dy: Array, grads: Gradients) -> Array:
            dx = ctx.buffer("dx", x.shape)
            np.multiply(dy, part, out=dy)
            dx[:] = dy.reshape(len(x), *(1,) * (x.ndim - 2), x.shape[-1])
            return dx

        return y, backward
