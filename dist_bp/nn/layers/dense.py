"""The fully connected layer."""

from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration
from dist_bp.nn.layers.affine import Activation, Affine, Bias, Start, as_rows
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class Dense(Affine):
    """Fully connected: activation(x @ weight + bias).

    (n, ..., inputs) -> (n, ..., units), weight (inputs, units): each position by itself. The default initializer is
    he_uniform before a rectifier and glorot_uniform otherwise.
    """

    def __init__(
        self,
        units: Annotated[Count, Doc("Number of outputs.")],
        activation: Activation = None,
        bias: Bias = True,
        initializer: Start = None,
    ) -> None:
        super().__init__(activation, bias, initializer)
        self.units = units

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind)
        if not field.shape:
            raise ShapeError("dense needs samples with an axis of features, got single numbers")
        output = field.shaped((*field.shape[:-1], self.units))
        return Declaration(output, self._declared((field.shape[-1], self.units)))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        weight, rows = params["weight"], as_rows(x)
        y = ctx.buffer("y", (*x.shape[:-1], self.units))
        np.matmul(rows, weight, out=as_rows(y))
        slope = self._activate(y, params, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            d_rows = as_rows(self._before_activation(dy, slope, grads))
            np.matmul(rows.T, d_rows, out=grads.into("weight"))
            if not ctx.needs_input_grad:
                return None
            dx = ctx.buffer("dx", x.shape)
            np.matmul(d_rows, weight.T, out=as_rows(dx))
            return dx

        return y, backward
