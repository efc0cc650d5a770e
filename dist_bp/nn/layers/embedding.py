"""Vectors for whole numbers."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn import initializers
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Initializer, InitializerName, Normal
from dist_bp.nn.layer import Declaration, Layer, Parameter
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, Whole
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array, Shape


@dataclass(frozen=True)
class _Neutral(Initializer):
    """Draws as `initializer` does, but for the vector of `row`, which is 0."""

    initializer: Initializer
    row: int

    @property
    def description(self) -> str:
        return f"{self.initializer.description} Row {self.row} is 0."

    def __call__(self, generator: np.random.Generator, shape: Shape) -> Array:
        values = self.initializer(generator, shape)
        values[self.row] = 0
        return values


class Embedding(Layer):
    """A vector of its own for each whole number: (n, ...) in 0..count-1 -> (n, ..., size), rows of a table.

    The data says how many numbers there are, if it knows, and which stands for what training has not seen: no step
    changes that one's vector, which is 0. Rows that no sample touches cost a step nothing, but for the update by rules
    that change them nevertheless.
    """

    def __init__(
        self,
        size: Annotated[Count, Doc("Numbers in a vector.")],
        count: Annotated[Count | None, Doc("How many vectors; null: as many as the data has numbers.")] = None,
        padding: Annotated[Whole | None, Doc("The number whose vector is 0 and stays so.")] = None,
        initializer: Annotated[
            InitializerName | Initializer | None, Doc("How the vectors are drawn; null: normal with variance 1.")
        ] = None,
    ) -> None:
        self.size = size
        self.rows = count
        self.padding = padding
        self.initializer = Normal(1.0) if initializer is None else initializers.initializer(initializer)

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind, kind="int")
        count = self.rows or field.count
        if count is None:
            raise ShapeError("embedding: the data does not say how many different numbers there are: set count")
        if field.count is not None and count < field.count:
            raise ShapeError(f"embedding has {count} vectors, and its input {field.count} different numbers")
        if self.padding is not None and self.padding >= count:
            raise ShapeError(f"embedding: padding is {self.padding}, and the numbers lie below {count}")
        initializer = self.initializer if field.unseen is None else _Neutral(self.initializer, field.unseen)
        table = Parameter((count, self.size), initializer, decay=False, rows=True)
        return Declaration(field.shaped((*field.shape, self.size)), {"table": table})

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        table = params["table"]
        if x.size and not (int(x.min()) >= 0 and int(x.max()) < len(table)):
            raise ShapeError(f"embedding: a number lies outside of 0 to {len(table) - 1}")
        y = ctx.buffer("y", (*x.shape, self.size))
        np.take(table, x, axis=0, out=y, mode="clip")
        kept = None
        if self.padding is not None:
            kept = ctx.buffer("kept", (*x.shape, 1))
            np.not_equal(x[..., np.newaxis], self.padding, out=kept)
            np.multiply(y, kept, out=y)

        def backward(dy: Array, grads: Gradients) -> None:
            if kept is not None:
                np.multiply(dy, kept, out=dy)
            grads.rows("table", x.reshape(-1), dy.reshape(-1, self.size))

        return y, backward
