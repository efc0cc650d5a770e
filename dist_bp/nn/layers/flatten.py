"""All axes of a sample in one."""

import math

from dist_bp.nn.context import Context
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.reshape import reshaped
from dist_bp.nn.types import Backward, Views
from dist_bp.signals import Field, Spec, one_field
from dist_bp.types import Array


class Flatten(Layer):
    """Puts all axes of a sample into one: (n, a, b, ...) -> (n, a * b * ...)."""

    def declare(self, spec: Spec) -> Declaration:
        return Declaration(Field((math.prod(one_field(spec, self.kind, ragged=False).shape),)))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        return reshaped(x, (math.prod(x.shape[1:]),))
