"""Another shape of the same elements."""

import math
from collections.abc import Sequence
from typing import Annotated

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, MinLen
from dist_bp.signals import Field, Spec, one_field
from dist_bp.types import Array, Shape


class Reshape(Layer):
    """Gives each sample another shape of as many elements: (n, ...) -> (n, *shape), in C order."""

    def __init__(
        self, shape: Annotated[Sequence[Count], MinLen(1), Doc("The shape of a sample, without the batch.")]
    ) -> None:
        self.shape = tuple(shape)

    def declare(self, spec: Spec) -> Declaration:
        input_shape = one_field(spec, self.kind, ragged=False).shape
        had, asked = math.prod(input_shape), math.prod(self.shape)
        if had != asked:
            raise ShapeError(
                f"reshape to {self.shape} needs {asked} values a sample, {input_shape} has {had}: "
                f"give positive sizes whose product is {had}"
            )
        return Declaration(Field(self.shape))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        return reshaped(x, self.shape)


def reshaped(x: Array, shape: Shape) -> tuple[Array, Backward]:
    """The samples of `x` in another shape, and the way back."""

    def backward(dy: Array, grads: Gradients) -> Array:
        return dy.reshape(x.shape)

    return x.reshape(len(x), *shape), backward
