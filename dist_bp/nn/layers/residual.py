"""The residual connection."""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.sequential import Sequential
from dist_bp.nn.types import NO_VIEWS, Backward, Views
from dist_bp.options import Doc, MinLen
from dist_bp.signals import Ragged, Signal, Spec, one_field
from dist_bp.types import Array

T = TypeVar("T")


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

    def declare(self, spec: Spec) -> Declaration:
        one_field(spec, self.kind)
        branch, straight = self.layers.declare(spec), self.shortcut.declare(spec)
        if branch.output != straight.output:
            raise ShapeError(
                f"residual adds {straight.output} to what its layers make of it, {branch.output}: let the last layer "
                "give back that shape, or bring the input to the other one by layers in `shortcut`"
            )
        return Declaration(
            branch.output,
            _within("layers", branch.parameters) | _within("shortcut", straight.parameters),
            _within("layers", branch.statistics) | _within("shortcut", straight.statistics),
        )

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


def _within(name: str, declared: Mapping[str, T]) -> dict[str, T]:
    return {f"{name}.{key}": value for key, value in declared.items()}
