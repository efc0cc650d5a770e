"""The residual connection."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.sequential import Sequential, declared_beside
from dist_bp.nn.types import NO_VIEWS, Backward, Views
from dist_bp.options import Doc, MinLen
from dist_bp.signals import Ragged, Signal, Spec, one_field
from dist_bp.types import Array


class Residual(Layer):
    """Adds its input to the output of its layers.

    y = shortcut(x) + layers(x) (He et al. 2016, eq. 1 and 2); without a shortcut the layers keep the shape.
    """

    positionwise = False

    def __init__(
        self,
        layers: Annotated[Sequence[Layer], MinLen(1), Doc("The layers between input and sum.")],
        shortcut: Annotated[
            Sequence[Layer],
            Doc("Layers of the straight way, a projection where the shapes differ; without any it is the input."),
        ] = (),
    ) -> None:
        self.layers = Sequential(layers)
        self.shortcut = Sequential(shortcut)

    @property
    def count(self) -> int:
        return self.layers.count + self.shortcut.count

    @property
    def continues(self) -> bool:
        return self.layers.continues and self.shortcut.continues

    def declare(self, spec: Spec) -> Declaration:
        one_field(spec, self.kind)
        inner = declared_beside({"layers": self.layers, "shortcut": self.shortcut}, {"layers": spec, "shortcut": spec})
        made, straight = inner.output["layers"], inner.output["shortcut"]  # type: ignore[index]
        if made != straight:
            raise ShapeError(
                f"residual adds {straight} to what its layers make of it, {made}: let the last layer "
                "give back that shape, or bring the input to the other one by layers in `shortcut`"
            )
        return replace(inner, output=made)

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        needs_input_grad = ctx.needs_input_grad
        branch, branch_back = self.layers.forward(
            x, params.get("layers", NO_VIEWS), ctx.child("layers", needs_input_grad)
        )
        straight, straight_back = self.shortcut.forward(
            x, params.get("shortcut", NO_VIEWS), ctx.child("shortcut", needs_input_grad)
        )
        ragged = isinstance(straight, Ragged)
        one, other = (straight.values, branch.values) if ragged else (straight, branch)
        y = ctx.buffer("y", one.shape)
        np.add(one, other, out=y)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            copy = ctx.buffer("straight", dy.shape)
            np.copyto(copy, dy)
            dx = branch_back(dy, grads.child("layers"))
            d_straight = straight_back(copy, grads.child("shortcut"))
            return None if dx is None or d_straight is None else np.add(dx, d_straight, out=dx)

        return Ragged(y, x.lengths) if ragged else y, backward
