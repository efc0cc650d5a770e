"""Scores of an embedding's numbers by its own table."""

import math
from collections.abc import Mapping
from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.affine import as_rows
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Doc, Positive, Whole
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class TiedOutput(Layer):
    """A score for each number of an embedding: x @ table.T, with the embedding's own table as weights.

    (n, ..., size) -> (n, ..., count), times `scale` (Press & Wolf 2017). The table is the embedding's parameter and
    gets the gradients of both; this layer has none of its own. So the vector of a number that never comes changes, too:
    its scores learn that.
    """

    def __init__(
        self,
        embedding: Annotated[
            Whole | None, Doc("Which layer of the same list the embedding is, from 0; null: the only one before.")
        ] = None,
        scale: Annotated[
            Positive | None, Doc("Factor of the scores; null: 1 / sqrt(size), for vectors of variance 1.")
        ] = None,
    ) -> None:
        self.embedding = embedding
        self.scale = scale

    def owner(self, before: Mapping[str, Layer]) -> str:
        embeddings = [name for name, layer in before.items() if isinstance(layer, Embedding)]
        if self.embedding is not None:
            if str(self.embedding) not in embeddings:
                raise ShapeError(f"tied_output: layer {self.embedding} is no embedding that stands before it")
            return str(self.embedding)
        if len(embeddings) != 1:
            found = f"the layers {', '.join(embeddings)} are: name one" if embeddings else "there is none"
            raise ShapeError(f"tied_output takes the table of an embedding before it in the same list, {found}")
        return embeddings[0]

    def declare(self, spec: Spec) -> Declaration:
        raise ShapeError("tied_output takes the table of an embedding before it in the same list, there is none")

    def declare_beside(self, spec: Spec, owner: Declaration) -> Declaration:
        field = one_field(spec, self.kind)
        count, size = owner.parameters["table"].shape
        if field.shape[-1:] != (size,):
            raise ShapeError(
                f"tied_output: the embedding's vectors have {size} numbers, its input is {field}: put "
                f"{{type: dense, units: {size}}} before it"
            )
        return Declaration(field.shaped((*field.shape[:-1], count)))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        table, rows = params["table"], as_rows(x)
        scale = self.scale or 1.0 / math.sqrt(x.shape[-1])
        y = ctx.buffer("y", (*x.shape[:-1], len(table)))
        np.matmul(rows, table.T, out=as_rows(y))
        np.multiply(y, scale, out=y)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            np.multiply(dy, scale, out=dy)
            d_rows = as_rows(dy)
            np.matmul(d_rows.T, rows, out=grads.into("table"))
            if not ctx.needs_input_grad:
                return None
            dx = ctx.buffer("dx", x.shape)
            np.matmul(d_rows, table, out=as_rows(dx))
            return dx

        return y, backward
