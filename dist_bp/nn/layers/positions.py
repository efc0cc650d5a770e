"""Where in a sample a position is, told by numbers that are added to it."""

from typing import Annotated, Literal

import numpy as np

from dist_bp.errors import OptionError, ShapeError
from dist_bp.messages import plural
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Normal
from dist_bp.nn.layer import Declaration, Layer, Parameter
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc
from dist_bp.signals import Ragged, Signal, Spec, one_sequence
from dist_bp.types import Array

ROWS = 128
"""The sinusoidal table is made for multiples of so many positions."""
DEVIATION = 0.02
"""Of the learned numbers at the start, as in GPT-2."""


class Positions(Layer):
    """Adds to each position numbers that tell where it is: (n, positions, channels) -> the same shape.

    `sinusoidal`: sin(p / 10000^(2 i / size)) and cos of the same beside it (Vaswani et al. 2017, section 3.5).
    `learned`: a row of a table for each position. Rotary positions belong to attention.
    """

    positionwise = False
    continues = True

    def __init__(
        self,
        form: Annotated[Literal["sinusoidal", "learned"], Doc("Where the numbers come from.")] = "sinusoidal",
        longest: Annotated[
            Count | None, Doc("learned: how many positions have a row; null: as many as every sample has.")
        ] = None,
    ) -> None:
        if longest is not None and form != "learned":
            raise OptionError("longest", "is for learned positions")
        self.form = form
        self.longest = longest

    def declare(self, spec: Spec) -> Declaration:
        field = one_sequence(spec, self.kind)
        if self.form == "sinusoidal":
            return Declaration(field)
        known = field.longest if field.ragged else field.shape[0]
        rows = self.longest or known
        if rows is None:
            raise ShapeError(f"{self.kind}: samples have different lengths: set longest")
        if known is not None and known > rows:
            raise _too_long(known, rows)
        return Declaration(field, {"table": Parameter((rows, field.shape[-1]), Normal(DEVIATION), decay=False)})

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        values, lengths = x if isinstance(x, Ragged) else (x, None)
        first, (n, positions, width) = ctx.past or 0, values.shape
        if self.form == "learned":
            table = params["table"]
            most = first + (int(lengths.max(initial=0)) if lengths is not None else positions)
            if n and most > len(table):
                raise _too_long(most, len(table))
        else:
            table = ctx.buffer("sinusoids", (-(-(first + positions) // ROWS) * ROWS, width), fill=_sinusoids)
        told = table[first : first + positions]  # fewer where all samples end before
        y = ctx.buffer("y", values.shape)
        np.add(values[:, : len(told)], told, out=y[:, : len(told)])
        np.copyto(y[:, len(told) :], values[:, len(told) :])

        def backward(dy: Array, grads: Gradients) -> Array:
            if self.form == "learned":
                d_table = grads.into("table")
                np.add.reduce(dy[:, : len(told)], axis=0, out=d_table[: len(told)])
                d_table[len(told) :] = 0
            return dy

        return Ragged(y, lengths) if lengths is not None else y, backward


def _too_long(longest: int, rows: int) -> ShapeError:
    return ShapeError(
        f"positions: a sample has {plural(longest, 'position')}, and the table rows for {rows}: set longest, or "
        "shorten the samples"
    )


def _sinusoids(out: Array) -> None:
    positions, width = out.shape
    angles = np.arange(positions)[:, np.newaxis] * 10_000.0 ** (-np.arange(0, width, 2) / width)
    out[:, ::2] = np.sin(angles)
    out[:, 1::2] = np.cos(angles[:, : width // 2])
