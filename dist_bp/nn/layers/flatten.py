"""All axes of a sample in one."""

import math

from dist_bp.nn.context import Context
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.reshape import reshaped
from dist_bp.nn.types import Backward, Views
from dist_bp.types import Array, Shape


class Flatten(Layer):
    """Puts all axes of a sample into one: (n, a, b, ...) -> (n, a * b * ...)."""

    def declare(self, input_shape: Shape) -> Declaration:
        return Declaration((math.prod(input_shape),))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        return reshaped(x, (math.prod(x.shape[1:]),))
