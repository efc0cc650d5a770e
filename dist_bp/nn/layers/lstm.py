"""Long short-term memory."""

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant
from dist_bp.nn.layer import Parameter
from dist_bp.nn.layers.packing import Packing
from dist_bp.nn.layers.recurrent import (
    Bidirectional,
    Gates,
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


class Lstm(Recurrent):
    """Long short-term memory, with forget gates.

    o, i, f = logistic(z), g = tanh(z) with z = x @ weight + h @ recurrent + bias, a quarter of it for each in this
    order; c = f * c + i * g; h = o * tanh(c) (Hochreiter & Schmidhuber 1997, and Gers et al. 2000 for f). The bias of f
    begins at 1 (Jozefowicz et al. 2015).

    (n, positions, channels) -> h (n, positions, units), or (n, units) for the last ones. Sequences of different lengths
    end each at its own last position; one without positions has states of zeros.
    """

    gates = 4

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
        start = Gates([Constant(0.0), Constant(0.0), Constant(1.0), Constant(0.0)])
        return {**super()._declared(channels), "bias": Parameter((4 * self.units,), start, decay=False)}

    def _run(self, x: Array, packing: Packing, params: Views, ctx: Context) -> tuple[Array, Backward]:
        units, rows, three = self.units, len(x), slice(3 * self.units)
        weight, recurrent, bias = halved(params, 3 * units, ctx)
        z = ctx.buffer("z", (rows, 4 * units))
        o, i, f, g = np.split(z, 4, axis=1)
        h, c = packing.states("h", units, ctx), packing.states("c", units, ctx)
        tanh_c = ctx.buffer("tanh_c", (rows, units))
        product, part = ctx.buffer("product", (packing.count, 4 * units)), ctx.buffer("part", (packing.count, units))
        np.matmul(x, weight, out=z)
        np.add(z, bias, out=z)
        for now, before, after in packing.steps:
            size = after.stop - after.start
            np.matmul(h[before], recurrent, out=product[:size])
            np.add(z[now], product[:size], out=z[now])
            np.tanh(z[now], out=z[now])
            np.multiply(z[now, three], 0.5, out=z[now, three])
            np.add(z[now, three], 0.5, out=z[now, three])
            np.multiply(f[now], c[before], out=c[after])
            np.multiply(i[now], g[now], out=part[:size])
            np.add(c[after], part[:size], out=c[after])
            np.tanh(c[after], out=tanh_c[now])
            np.multiply(o[now], tanh_c[now], out=h[after])

        def backward(dh: Array, grads: Gradients) -> Array | None:
            """z becomes its own gradient: first what dh (of o) or dc (of others) is multiplied by, then the product."""
            kept, through, of_g = (ctx.buffer(name, (rows, units)) for name in ("kept", "through", "of_g"))
            np.copyto(kept, f)
            tanh_slope(tanh_c, o, out=through)
            tanh_slope(g, i, out=of_g)
            logistic_slope(o, tanh_c, o, ctx)
            logistic_slope(i, g, i, ctx)
            logistic_slope(f, packing.before(c, "c_before", ctx), f, ctx)
            np.copyto(g, of_g)
            back = transposed(params["recurrent"], ctx)
            dc = ctx.buffer("dc", (packing.count, units))
            dc.fill(0)
            by_gate = z.reshape(rows, 4, units)
            for now, before, after in reversed(packing.steps):
                size = after.stop - after.start
                np.multiply(dh[after], through[now], out=part[:size])
                np.add(dc[:size], part[:size], out=dc[:size])
                np.multiply(o[now], dh[after], out=o[now])
                np.multiply(by_gate[now, 1:], dc[:size, np.newaxis], out=by_gate[now, 1:])
                np.multiply(dc[:size], kept[now], out=dc[:size])
                np.matmul(z[now], back, out=part[:size])
                np.add(dh[before], part[:size], out=dh[before])
            return self._backward(x, z, packing.before(h, "h_before", ctx), z, packing, params, grads, ctx)

        return h, backward
