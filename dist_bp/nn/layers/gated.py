"""Two dense layers side by side, one of which opens and closes the other."""

import numpy as np

from dist_bp.nn.activations import ActivationFunction
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Initializer
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.types import Backward, Views
from dist_bp.signals import Spec
from dist_bp.types import Array


class Gated(Layer):
    """activation(x @ gate) * (x @ weight), one product for both (Shazeer 2020, eq. 5).

    (n, ..., inputs) -> (n, ..., units), the gate's weights beside the others: (inputs, 2 * units).
    """

    def __init__(self, units: int, activation: ActivationFunction, initializer: Initializer) -> None:
        self.units = units
        self.activation = activation
        self.dense = Dense(2 * units, initializer=initializer)

    def declare(self, spec: Spec) -> Declaration:
        inner = self.dense.declare(spec)
        field = inner.output
        return Declaration(field.shaped((*field.shape[:-1], self.units)), inner.parameters)  # type: ignore[union-attr]

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        both, dense_back = self.dense.forward(x, params, ctx)
        shape = (*both.shape[:-1], self.units)
        gate, opened, slope, y = (ctx.buffer(name, shape) for name in ("gate", "opened", "gate_slope", "gated"))
        np.copyto(gate, both[..., : self.units])
        self.activation(gate, opened, slope, y)
        np.multiply(opened, both[..., self.units :], out=y)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            np.multiply(slope, both[..., self.units :], out=slope)
            np.multiply(dy, slope, out=both[..., : self.units])
            np.multiply(dy, opened, out=both[..., self.units :])
            return dense_back(both, grads)  # type: ignore[no-any-return]

        return y, backward
