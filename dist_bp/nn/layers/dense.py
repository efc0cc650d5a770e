"""The fully connected layer."""

from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.activations import ActivationFunction, ActivationName, activation_function
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant, Initializer, InitializerName, initializer
from dist_bp.nn.layer import Declaration, Layer, Parameter
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class Dense(Layer):
    """Fully connected: activation(x @ weight + bias).

    (n, ..., inputs) -> (n, ..., units), weight (inputs, units): each position by itself. The default initializer is
    he_uniform before a rectifier and glorot_uniform otherwise.
    """

    def __init__(
        self,
        units: Annotated[Count, Doc("Number of outputs.")],
        activation: Annotated[
            ActivationName | ActivationFunction | None,
            Doc("Function of the outputs: its name, or with options; null: none."),
        ] = None,
        bias: Annotated[bool, Doc("Whether a bias is added.")] = True,
        initializer: Annotated[
            InitializerName | Initializer | None,
            Doc("How the weights are drawn; null: model.initializer, or what suits the activation."),
        ] = None,
    ) -> None:
        self.units = units
        self.activation = None if activation is None else activation_function(activation)
        self.bias = bias
        self.initializer = _initializer(initializer, self.activation)

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind)
        if not field.shape:
            raise ShapeError("dense needs samples with an axis of features, got single numbers")
        parameters = {"weight": Parameter((field.shape[-1], self.units), self.initializer)}
        if self.bias:
            parameters["bias"] = Parameter((self.units,), Constant(0.0), decay=False)
        return Declaration(field.shaped((*field.shape[:-1], self.units)), parameters)

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        weight = params["weight"]
        y = ctx.buffer("y", (*x.shape[:-1], self.units))
        rows = _rows(x)
        np.matmul(rows, weight, out=_rows(y))
        if self.bias:
            np.add(y, params["bias"], out=y)
        slope = None
        if self.activation is not None:
            slope = ctx.buffer("slope", y.shape)
            self.activation(y, y, slope, ctx.buffer("scratch", y.shape))

        def backward(dy: Array, grads: Gradients) -> Array | None:
            if slope is not None:
                np.multiply(dy, slope, out=dy)
            d_rows = _rows(dy)
            np.matmul(rows.T, d_rows, out=grads.into("weight"))
            if self.bias:
                np.add.reduce(d_rows, axis=0, out=grads.into("bias"))
            if not ctx.needs_input_grad:
                return None
            dx = ctx.buffer("dx", x.shape)
            np.matmul(d_rows, weight.T, out=_rows(dx))
            return dx

        return y, backward


def _rows(array: Array) -> Array:
    """The positions of all samples one below the other."""
    return array if array.ndim == 2 else array.reshape(-1, array.shape[-1])


def _initializer(choice: str | Initializer | None, activation: ActivationFunction | None) -> Initializer:
    if choice is None:
        choice = "he_uniform" if activation is not None and activation.rectifier else "glorot_uniform"
    return initializer(choice)
