"""The gated recurrent unit."""

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant
from dist_bp.nn.layer import Parameter
from dist_bp.nn.layers.packing import Packing
from dist_bp.nn.layers.recurrent import (
    Bidirectional,
    Layers,
    Recurrent,
    RecurrentStart,
    Start,
    States,
    Units,
    halved,
    logistic_slope,
    tanh_slope,
    transposed,
)
from dist_bp.nn.types import Backward, Views
from dist_bp.types import Array


class Gru(Recurrent):
    """Gated recurrent unit, its reset gate after the product.

    r, z = logistic(a + b), n = tanh(a + r * (b + inner_bias)) with a = x @ weight + bias and b = h @ recurrent, a third
    of each for r, z and n in this order; h = (1 - z) * n + z * h (Cho et al. 2014). They reset h before the product;
    after it, as in cuDNN and PyTorch, all three take one product.

    (n, positions, channels) -> h (n, positions, units), or (n, units) for the last ones. Sequences of different lengths
    end each at its own last position; one without positions has states of zeros.
    """

    gates = 3

    def __init__(
        self,
        units: Units,
        layers: Layers = 1,
        bidirectional: Bidirectional = False,
        states: States = "all",
        initializer: Start = None,
        recurrent_initializer: RecurrentStart = "orthogonal",
    ) -> None:
        super().__init__(units, layers, bidirectional, states, initializer, recurrent_initializer)

    def _declared(self, channels: int) -> dict[str, Parameter]:
        inner_bias = Parameter((self.units,), Constant(0.0), decay=False)
        return {**super()._declared(channels), "inner_bias": inner_bias}

    def _run(self, x: Array, packing: Packing, params: Views, ctx: Context) -> tuple[Array, Backward]:
        units, rows, two = self.units, len(x), slice(2 * self.units)
        weight, recurrent, bias = halved(params, 2 * units, ctx)
        a = ctx.buffer("a", (rows, 3 * units))
        r, z, n = np.split(a, 3, axis=1)
        inner = ctx.buffer("inner", (rows, units))
        h = packing.states("h", units, ctx)
        product, part = ctx.buffer("product", (packing.count, 3 * units)), ctx.buffer("part", (packing.count, units))
        np.matmul(x, weight, out=a)
        np.add(a, bias, out=a)
        for now, before, after in packing.steps:
            size = after.stop - after.start
            np.matmul(h[before], recurrent, out=product[:size])
            np.add(a[now, two], product[:size, two], out=a[now, two])
            np.tanh(a[now, two], out=a[now, two])
            np.multiply(a[now, two], 0.5, out=a[now, two])
            np.add(a[now, two], 0.5, out=a[now, two])
            np.add(product[:size, 2 * units :], params["inner_bias"], out=inner[now])
            np.multiply(r[now], inner[now], out=part[:size])
            np.add(n[now], part[:size], out=n[now])
            np.tanh(n[now], out=n[now])
            np.subtract(h[before], n[now], out=part[:size])
            np.multiply(z[now], part[:size], out=part[:size])
            np.add(n[now], part[:size], out=h[after])

        def backward(dh: Array, grads: Gradients) -> Array | None:
            """a becomes its own gradient, step by step; b is that of h @ recurrent."""
            back = transposed(params["recurrent"], ctx)
            b = ctx.buffer("b", a.shape)
            of_r, of_z, of_inner = np.split(b, 3, axis=1)
            rest, d_n = (ctx.buffer(name, (packing.count, units)) for name in ("rest", "d_n"))
            for now, before, after in reversed(packing.steps):
                size = after.stop - after.start
                logistic_slope(a[now, two], b[now, two])
                np.subtract(1.0, z[now], out=rest[:size])
                tanh_slope(n[now], rest[:size], d_n[:size])
                np.multiply(d_n[:size], dh[after], out=d_n[:size])
                np.multiply(d_n[:size], r[now], out=of_inner[now])
                np.multiply(d_n[:size], inner[now], out=rest[:size])
                np.multiply(of_r[now], rest[:size], out=of_r[now])
                np.subtract(h[before], n[now], out=rest[:size])
                np.multiply(rest[:size], dh[after], out=rest[:size])
                np.multiply(of_z[now], rest[:size], out=of_z[now])
                np.matmul(b[now], back, out=part[:size])
                np.add(dh[before], part[:size], out=dh[before])
                np.multiply(z[now], dh[after], out=part[:size])
                np.add(dh[before], part[:size], out=dh[before])
                np.copyto(a[now, two], b[now, two])
                np.copyto(n[now], d_n[:size])
            np.add.reduce(of_inner, axis=0, out=grads.into("inner_bias"))
            h_before = packing.before(h, "h_before", ctx)
            return self._backward(x, a, h_before, b, packing, params, grads, ctx)

        return h, backward
