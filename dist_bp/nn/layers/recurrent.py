"""What recurrent layers share: sequences are packed, gone through in one or both directions, and unpacked."""

from abc import abstractmethod
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant, Initializer, InitializerName, initializer
from dist_bp.nn.layer import Declaration, Layer, Parameter
from dist_bp.nn.layers.affine import as_rows
from dist_bp.nn.layers.packing import Packing
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc
from dist_bp.signals import Field, Ragged, Signal, Spec, one_sequence, with_lengths
from dist_bp.types import Array, Shape

Units = Annotated[Count, Doc("Numbers in a state, of each direction.")]
Layers = Annotated[Count, Doc("How many one above the other, each with parameters of its own.")]
Bidirectional = Annotated[
    bool, Doc("Whether a second one goes from each sequence's end to its beginning; its states stand beside.")
]
States = Annotated[
    Literal["all", "last"], Doc("`all`: a state for each position; `last`: that of each direction when it has ended.")
]
Start = Annotated[
    InitializerName | Initializer | None,
    Doc("How the weights of the input are drawn; null: model.initializer, or glorot_uniform."),
]
WAYS = ("forward", "backward")
RecurrentStart = Annotated[InitializerName | Initializer, Doc("How the weights of the state before are drawn.")]


@dataclass(frozen=True)
class Gates(Initializer):
    """One initializer for each part of the last axis."""

    parts: Sequence[Initializer]

    @property
    def description(self) -> str:
        return "Each gate by itself: " + " ".join(part.description for part in self.parts)

    def __call__(self, generator: np.random.Generator, shape: Shape) -> Array:
        size = shape[-1] // len(self.parts)
        return np.concatenate([part(generator, (*shape[:-1], size)) for part in self.parts], axis=-1)


class Recurrent(Layer):
    """(n, positions, channels) -> (n, positions, units), or (n, units) for the last states.

    Every sequence starts from a state of zeros and ends with its own last position, wherever others end.
    """

    positionwise = False
    gates: ClassVar[int]
    """How many parts of `units` numbers each the weights make."""

    def __init__(
        self,
        units: int,
        layers: int,
        bidirectional: bool,
        states: Literal["all", "last"],
        start: str | Initializer | None,
        recurrent_start: str | Initializer,
    ) -> None:
        self.units = units
        self.layers = layers
        self.bidirectional = bidirectional
        self.states = states
        self.initializer = initializer("glorot_uniform" if start is None else start)
        self.recurrent_initializer = initializer(recurrent_start)

    @property
    def count(self) -> int:
        return self.layers

    @property
    def continues(self) -> bool:
        return not self.bidirectional and self.states == "all"

    def unrolled(self) -> Sequence[Layer]:
        if self.layers == 1:
            return (self,)
        below, top = copy(self), copy(self)
        below.layers = top.layers = 1
        below.states = "all"
        return [*[below] * (self.layers - 1), top]

    def declare(self, spec: Spec) -> Declaration:
        field = one_sequence(spec, self.kind)
        own = self._declared(field.shape[-1])
        if self.bidirectional:
            own = {f"{way}.{name}": item for way in WAYS for name, item in own.items()}
        width = self.units * (1 + self.bidirectional)
        output = Field((width,)) if self.states == "last" else field.shaped((*field.shape[:-1], width))
        return Declaration(output, own)

    def _declared(self, channels: int) -> dict[str, Parameter]:
        """The gates side by side along the last axis, each drawn by itself."""
        width, every = self.gates * self.units, [self.initializer] * self.gates
        return {
            "weight": Parameter((channels, width), Gates(every)),
            "recurrent": Parameter((self.units, width), Gates([self.recurrent_initializer] * self.gates)),
            "bias": Parameter((width,), Constant(0.0), decay=False),
        }

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        values, lengths = with_lengths(x)
        packing = Packing(lengths, values.shape[1], ctx)
        go = self._both_ways if self.bidirectional else self._one_way
        y, backward = go(values, packing, params, ctx)
        return Ragged(y, lengths) if isinstance(x, Ragged) and self.states == "all" else y, backward

    def _both_ways(self, x: Array, packing: Packing, params: Views, ctx: Context) -> tuple[Array, Backward]:
        ways = [(name, ctx.child(name, ctx.needs_input_grad)) for name in WAYS]
        runs = [self._one_way(x, packing, params[name], own, name == "backward") for name, own in ways]
        y = ctx.buffer("y", (*runs[0][0].shape[:-1], 2 * self.units))
        for half, (part, _) in zip(np.split(y, 2, axis=-1), runs, strict=True):
            np.copyto(half, part)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            found = []
            for (name, own), (part, back), half in zip(ways, runs, np.split(dy, 2, axis=-1), strict=True):
                d_part = own.buffer("dy", part.shape)
                np.copyto(d_part, half)
                found.append(back(d_part, grads.child(name)))
            one, other = found
            return None if one is None or other is None else np.add(one, other, out=one)

        return y, backward

    def _one_way(
        self, x: Array, packing: Packing, params: Views, ctx: Context, backwards: bool = False
    ) -> tuple[Array, Backward]:
        last, source = self.states == "last", packing.source(ctx, backwards)
        packed = ctx.buffer("packed", (packing.rows, x.shape[-1]))
        np.take(as_rows(x), source, axis=0, out=packed, mode="clip")
        states, back = self._run(packed, packing, params, ctx)
        packing.keep(ctx)
        places = packing.places(source, ctx)
        y = ctx.buffer("y", (*x.shape[: 1 if last else 2], self.units))
        np.take(states, packing.final if last else places, axis=0, out=y.reshape(-1, self.units), mode="clip")

        def backward(dy: Array, grads: Gradients) -> Array | None:
            d_states = ctx.buffer("d_states", states.shape)
            if last:
                d_states.fill(0)
                d_states[packing.final] = dy
            else:
                np.take(as_rows(dy), source, axis=0, out=d_states[packing.count :], mode="clip")
            d_packed = back(d_states, grads)
            if d_packed is None:
                return None
            dx = ctx.buffer("dx", x.shape)
            np.take(d_packed, places, axis=0, out=dx.reshape(-1, x.shape[-1]), mode="clip")
            return dx

        return y, backward

    @abstractmethod
    def _run(self, x: Array, packing: Packing, params: Views, ctx: Context) -> tuple[Array, Backward]:
        """`x` packed (rows, channels) -> (states (n + rows, units), backward).

        `backward(d_states, grads)` takes the gradient of the states, whose first n rows do not matter, and adds to it
        what goes from each to the one before. It returns what `_backward` does.
        """

    def _backward(
        self,
        x: Array,
        d_x: Array,
        before: Array,
        d_before: Array,
        packing: Packing,
        params: Views,
        grads: Gradients,
        ctx: Context,
    ) -> Array | None:
        """Writes the gradients of the weights from what was made of the input, `d_x`, and of the states before,
        `d_before` (rows, gates * units). Returns the gradient of `x` after n rows of zeros, or None."""
        np.matmul(x.T, d_x, out=grads.into("weight"))
        np.matmul(before.T, d_before, out=grads.into("recurrent"))
        np.add.reduce(d_x, axis=0, out=grads.into("bias"))
        if not ctx.needs_input_grad:
            return None
        d_packed = packing.states("d_packed", x.shape[-1], ctx)
        np.matmul(d_x, params["weight"].T, out=d_packed[packing.count :])
        return d_packed


def halved(params: Views, size: int, ctx: Context) -> tuple[Array, Array, Array]:
    """weight, recurrent and bias with the first `size` columns halved: logistic(z) = (tanh(z / 2) + 1) / 2, so that
    gates and candidates take one tanh."""
    found = []
    for name in ("weight", "recurrent", "bias"):
        own = ctx.buffer(f"halved {name}", params[name].shape)
        np.copyto(own, params[name])
        own[..., :size] *= 0.5
        found.append(own)
    weight, recurrent, bias = found
    return weight, recurrent, bias


def logistic_slope(gate: Array, out: Array) -> None:
    """The derivative of the logistic function that made `gate`."""
    np.multiply(gate, gate, out=out)
    np.subtract(gate, out, out=out)


def tanh_slope(value: Array, factor: Array, out: Array) -> None:
    """The derivative of the tanh that made `value`, times `factor`."""
    np.multiply(value, value, out=out)
    np.subtract(1.0, out, out=out)
    np.multiply(out, factor, out=out)


def transposed(weight: Array, ctx: Context) -> Array:
    """A copy: many products with few rows each are faster with it than with a view."""
    copied = ctx.buffer("transposed", weight.shape[::-1])
    np.copyto(copied, weight.T)
    return copied
