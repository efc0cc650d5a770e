"""The simple recurrent layer."""

from typing import Annotated

import numpy as np

from dist_bp.nn.activations import ActivationFunction, ActivationName, activation_function
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layers.packing import Packing
from dist_bp.nn.layers.recurrent import (
    Bidirectional,
    Layers,
    Recurrent,
    RecurrentStart,
    Start,
    States,
    Units,
    transposed,
)
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Doc
from dist_bp.types import Array


class Rnn(Recurrent):
    """Simple recurrent layer: state = activation(x @ weight + state before @ recurrent + bias).

    (n, positions, channels) -> (n, positions, units), or (n, units) for the last states (Elman 1990). Sequences of
    different lengths end each at its own last position; one without positions has states of zeros.
    """

    gates = 1

    def __init__(
        self,
        units: Units,
        activation: Annotated[
            ActivationName | ActivationFunction, Doc("Function of the states: its name, or with options.")
        ] = "tanh",
        layers: Layers = 1,
        bidirectional: Bidirectional = False,
        states: States = "all",
        initializer: Start = None,
        recurrent_initializer: RecurrentStart = "orthogonal",
    ) -> None:
        super().__init__(units, layers, bidirectional, states, initializer, recurrent_initializer)
        self.activation = activation_function(activation)

    def _run(self, x: Array, packing: Packing, params: Views, ctx: Context) -> tuple[Array, Backward]:
        z, slope = (ctx.buffer(name, (len(x), self.units)) for name in ("z", "slope"))
        product = ctx.buffer("product", (packing.count, self.units))
        np.matmul(x, params["weight"], out=z)
        np.add(z, params["bias"], out=z)
        h = packing.states("h", self.units, ctx)
        for now, before, after in packing.steps:
            some = product[: after.stop - after.start]
            np.matmul(h[before], params["recurrent"], out=some)
            np.add(z[now], some, out=z[now])
            self.activation(z[now], h[after], slope[now], some)

        def backward(dh: Array, grads: Gradients) -> Array | None:
            back = transposed(params["recurrent"], ctx)
            for now, before, after in reversed(packing.steps):
                np.multiply(slope[now], dh[after], out=slope[now])
                some = product[: after.stop - after.start]
                np.matmul(slope[now], back, out=some)
                np.add(dh[before], some, out=dh[before])
            return self._backward(x, slope, packing.before(h, "before", ctx), slope, packing, params, grads, ctx)

        return h, backward
