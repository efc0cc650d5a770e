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
            """z becomes its own gradient: what dh (of o) or dc (of others) is multiplied by, then the product."""
            back = transposed(params["recurrent"], ctx)
            dc, dc_before = (ctx.buffer(name, (packing.count, units)) for name in ("dc", "dc_before"))
            for start in (dc, dc_before):
                start.fill(0)
            slope = ctx.buffer("slope", (packing.count, 3 * units))
            by_gate, slope_by_gate = z.reshape(rows, 4, units), slope.reshape(packing.count, 3, units)
            for now, before, after in reversed(packing.steps):
                size = after.stop - after.start
                of_o, of_i, of_f = (slope_by_gate[:size, gate] for gate in range(3))
                logistic_slope(z[now, three], slope[:size])
                tanh_slope(tanh_c[now], o[now], part[:size])
                np.multiply(part[:size], dh[after], out=part[:size])
                np.add(dc[:size], part[:size], out=dc[:size])
                np.multiply(dc[:size], f[now], out=dc_before[:size])
                tanh_slope(g[now], i[now], part[:size])
                np.multiply(of_o, tanh_c[now], out=o[now])
                np.multiply(of_i, g[now], out=i[now])
                np.multiply(of_f, c[before], out=f[now])
                np.copyto(g[now], part[:size])
                np.multiply(o[now], dh[after], out=o[now])
                np.multiply(by_gate[now, 1:], dc[:size, np.newaxis], out=by_gate[now, 1:])
                dc, dc_before = dc_before, dc  # 0 in the rows of shorter sequences, which only follow
                np.matmul(z[now], back, out=part[:size])
                np.add(dh[before], part[:size], out=dh[before])
            return self._backward(x, z, packing.before(h, "h_before", ctx), z, packing, params, grads, ctx)

        return h, backward
