"""An activation function as a layer of its own."""

from typing import Annotated

import numpy as np

from dist_bp.nn.activations import ActivationFunction, ActivationName, activation_function
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Doc
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class Activation(Layer):
    """A function of each element."""

    def __init__(
        self,
        function: Annotated[ActivationName | ActivationFunction, Doc("Which function: its name, or with options.")],
    ) -> None:
        self.function = activation_function(function)

    def declare(self, spec: Spec) -> Declaration:
        return Declaration(one_field(spec, self.kind))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        y = ctx.buffer("y", x.shape)
        slope = ctx.buffer("slope", x.shape)
        self.function(x, y, slope, ctx.buffer("scratch", x.shape))

        def backward(dy: Array, grads: Gradients) -> Array:
            return np.multiply(dy, slope, out=dy)

        return y, backward
