"""What layers with a weight share: the bias, the activation, and how the weight begins."""

from typing import Annotated

import numpy as np

from dist_bp.nn.activations import ActivationFunction, ActivationName, activation_function
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant, Initializer, InitializerName, initializer
from dist_bp.nn.layer import Layer, Parameter
from dist_bp.nn.types import Views
from dist_bp.options import Doc
from dist_bp.types import Array, Shape

Activation = Annotated[
    ActivationName | ActivationFunction | None, Doc("Function of the outputs: its name, or with options; null: none.")
]
Bias = Annotated[bool, Doc("Whether a bias is added.")]
Start = Annotated[
    InitializerName | Initializer | None,
    Doc("How the weights are drawn; null: model.initializer, or what suits the activation."),
]


class Affine(Layer):
    """activation(weight applied to x + bias); the bias is along the last axis of the output."""

    def __init__(
        self, activation: str | ActivationFunction | None, bias: bool, start: str | Initializer | None
    ) -> None:
        self.activation = None if activation is None else activation_function(activation)
        self.bias = bias
        if start is None:
            start = "he_uniform" if self.activation is not None and self.activation.rectifier else "glorot_uniform"
        self.initializer = initializer(start)

    def _declared(self, weight: Shape) -> dict[str, Parameter]:
        """The last axis of the weight is the output."""
        parameters = {"weight": Parameter(weight, self.initializer)}
        if self.bias:
            parameters["bias"] = Parameter(weight[-1:], Constant(0.0), decay=False)
        return parameters

    def _activate(self, y: Array, params: Views, ctx: Context) -> Array | None:
        """Adds the bias to `y` and applies the activation; returns its slope."""
        if self.bias:
            np.add(y, params["bias"], out=y)
        if self.activation is None:
            return None
        slope = ctx.buffer("slope", y.shape)
        self.activation(y, y, slope, ctx.scratch("scratch", y.shape))
        return slope

    def _before_activation(self, dy: Array, slope: Array | None, grads: Gradients) -> Array:
        """The gradient of what was activated, in place; writes that of the bias."""
        if slope is not None:
            np.multiply(dy, slope, out=dy)
        if self.bias:
            np.add.reduce(as_rows(dy), axis=0, out=grads.into("bias"))
        return dy


def as_rows(array: Array) -> Array:
    """All positions of all samples one below the other."""
    return array if array.ndim == 2 else array.reshape(-1, array.shape[-1])
