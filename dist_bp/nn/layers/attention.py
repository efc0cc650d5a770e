"""Attention: every position takes from the others what suits it."""

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import numpy as np

from dist_bp.errors import OptionError, ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Initializer, InitializerName, initializer
from dist_bp.nn.layer import Declaration, Layer, Parameter
from dist_bp.nn.layers.attending import attend
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.heads import join, project, split
from dist_bp.nn.layers.rotary import rotate
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, Text
from dist_bp.signals import Field, Ragged, Signal, Spec, one_sequence
from dist_bp.types import Array

Heads = Annotated[Count, Doc("How many attentions side by side, each over its own part of the channels.")]
Causal = Annotated[bool, Doc("Whether a position sees only itself and those before it.")]
Rotary = Annotated[
    Literal["none", "rotary"],
    Doc("`rotary`: queries and keys are turned by their positions (Su et al. 2021), so that distances count."),
]


class Attention(Layer):
    """Multi-head attention: each position gets an average of what all make, weighed by how well they suit it.

    (n, positions, channels) -> the same shape: softmax(Q K^T / sqrt(size)) V in each head, with weights for Q, K, V and
    for the output (Vaswani et al. 2017, section 3.2). With `queries` and `keys`, names of two inputs, Q is made of
    one and K and V of the other, and the output is like the queries. Positions beyond a sample's length are not seen.
    """

    positionwise = False

    def __init__(
        self,
        heads: Heads,
        causal: Causal = False,
        positions: Rotary = "none",
        size: Annotated[Count | None, Doc("Channels of a head; null: the heads share those of a position.")] = None,
        bias: Annotated[bool, Doc("Whether biases are added.")] = True,
        initializer: Annotated[
            InitializerName | Initializer | None,
            Doc("How the weights are drawn; null: model.initializer, or lecun_uniform."),
        ] = None,
        queries: Annotated[
            Text | None, Doc("The input that asks; null: there is one input, which asks itself.")
        ] = None,
        keys: Annotated[Text | None, Doc("The input that is asked.")] = None,
    ) -> None:
        if (queries is None) != (keys is None) or (queries is not None and queries == keys):
            raise OptionError("queries", "and keys name two inputs: give both or neither")
        if queries is not None and (causal or positions != "none"):
            raise OptionError("causal" if causal else "positions", "is for one input, without queries and keys")
        self.heads = heads
        self.causal = causal
        self.positions = positions
        self.size = size
        self.bias = bias
        self.initializer = _initializer(initializer)
        self._made: dict[int, Dense] = {}
        self.names = None if queries is None or keys is None else (queries, keys)

    @property
    def continues(self) -> bool:
        return self.causal

    def declare(self, spec: Spec) -> Declaration:
        fields = self._fields(spec)
        asking = fields[0]
        size = self.size or self._share(asking.shape[-1])
        if self.positions == "rotary" and size % 2:
            raise ShapeError(f"{self.kind}: rotary positions turn pairs of channels, and a head has {size}: set size")
        parameters: dict[str, Parameter] = {}
        for (name, parts), field in zip(self._projections(), fields, strict=True):
            made = self._dense(parts * self.heads * size).declare(Field(field.shape[-1:]))
            parameters |= {f"{name}.{key}": one for key, one in made.parameters.items()}
        made = self._dense(asking.shape[-1]).declare(Field((self.heads * size,)))
        parameters |= {f"output.{key}": one for key, one in made.parameters.items()}
        return Declaration(asking.shaped(asking.shape), parameters)

    def _fields(self, spec: Spec) -> list[Field]:
        if self.names is None:
            return [one_sequence(spec, self.kind)]
        if not isinstance(spec, Mapping) or {*spec} != {*self.names}:
            found = f"one, {spec}" if isinstance(spec, Field) else ", ".join(spec)
            raise ShapeError(f"{self.kind} takes the two inputs {' and '.join(self.names)}, here is {found}")
        return [one_sequence(spec[name], f"{self.kind}: {name}") for name in self.names]

    def _share(self, width: int) -> int:
        if width % self.heads:
            raise ShapeError(
                f"{self.kind}: {self.heads} heads cannot share {width} channels: change heads, or set size"
            )
        return width // self.heads

    def _projections(self) -> tuple[tuple[str, int], ...]:
        """The projections by name, and of how many of Q, K, V: of each input one."""
        return (("qkv", 3),) if self.names is None else (("q", 1), ("kv", 2))

    def _dense(self, units: int) -> Dense:
        if units not in self._made:
            self._made[units] = Dense(units, bias=self.bias, initializer=self.initializer)
        return self._made[units]

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        width = len(params["output"]["weight"])
        signals = [x] if self.names is None else [x[name] for name in self.names]
        sides = []
        for (name, count), signal in zip(self._projections(), signals, strict=True):
            values = signal.values if isinstance(signal, Ragged) else signal
            own = ctx.child(name, ctx.needs_input_grad)
            sides.append(project(values, self._dense(count * width), count, self.heads, params[name], own))
        queries, keys, values = [part for side in sides for part in side.parts]
        scale, past, turning = 1.0 / math.sqrt(width // self.heads), ctx.past, self.positions == "rotary"
        if turning:
            rotate(sides[0].parts[:2], past or 0, ctx)
        np.multiply(queries, scale, out=queries)
        if past is not None:
            keys, values = ctx.continued("keys", keys, axis=2), ctx.continued("values", values, axis=2)
        asking, asked = signals[0], signals[-1]
        hiding = isinstance(asked, Ragged) and not self.causal  # what lies beyond a length comes after it
        attended, attended_back = attend(queries, keys, values, self.causal, asked.lengths if hiding else None, ctx)
        dense = self._dense(params["output"]["weight"].shape[1])
        joined = ctx.buffer("joined", (*queries.shape[:1], queries.shape[2], width))
        join(attended[np.newaxis], joined)
        y, dense_back = dense.forward(joined, params["output"], ctx.child("output"))

        def backward(dy: Array, grads: Gradients) -> Any:
            d_joined = dense_back(dy, grads.child("output"))
            d_attended = ctx.scratch("d_attended", (1, *attended.shape))
            split(d_joined, d_attended)
            named = [(name, side) for (name, _), side in zip(self._projections(), sides, strict=True)]
            gradients = [ctx.scratch(f"d_{name}", side.parts.shape) for name, side in named]
            attended_back(d_attended[0], [one for some in gradients for one in some])
            np.multiply(gradients[0][0], scale, out=gradients[0][0])
            if turning:
                rotate(gradients[0][:2], past or 0, ctx, back=True)
            found = [side.backward(own, grads.child(name)) for (name, side), own in zip(named, gradients, strict=True)]
            if self.names is None or not ctx.needs_input_grad:
                return found[0]
            by_name = dict(zip(self.names, found, strict=True))
            return {name: by_name[name] for name in x}

        return Ragged(y, asking.lengths) if isinstance(asking, Ragged) else y, backward


def _initializer(choice: str | Initializer | None) -> Initializer:
    return initializer("lecun_uniform" if choice is None else choice)
