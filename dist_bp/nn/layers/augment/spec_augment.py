"""Spectrograms with stretches of time and bands of frequency left out."""

from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Doc, Ratio, Whole
from dist_bp.signals import Ragged, Signal, Spec, one_sequence, with_lengths
from dist_bp.types import Array


class SpecAugment(Layer):
    """In training, sets stretches of time and bands of frequency to 0, in each sample others (Park et al. 2019).

    (n, positions, channels) -> the same. The width of each is drawn from 0 to the most, then where it begins; time is
    not warped. Zero is the mean where the features are standardized.
    """

    positionwise = False

    def __init__(
        self,
        time_masks: Annotated[Whole, Doc("How many stretches of time.")] = 2,
        time_width: Annotated[Whole, Doc("Most positions in each.")] = 10,
        time_share: Annotated[Ratio, Doc("Most of a sample's positions in each, as a share.")] = 0.2,
        frequency_masks: Annotated[Whole, Doc("How many bands of frequency.")] = 2,
        frequency_width: Annotated[Whole, Doc("Most channels in each.")] = 8,
    ) -> None:
        self.time_masks = time_masks
        self.time_width = time_width
        self.time_share = time_share
        self.frequency_masks = frequency_masks
        self.frequency_width = frequency_width

    def declare(self, spec: Spec) -> Declaration:
        field = one_sequence(spec, self.kind)
        if self.frequency_masks and self.frequency_width >= field.shape[-1]:
            raise ShapeError(
                f"{self.kind}: frequency_width is {self.frequency_width}, which leaves nothing of {field}: set it "
                f"below {field.shape[-1]}"
            )
        return Declaration(field)

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        if not ctx.training:
            return x, _as_it_is
        values, lengths = with_lengths(x)
        draws = ctx.buffer("draws", (len(values), self.time_masks + self.frequency_masks, 2), "float64")
        for group in ctx.groups:
            ctx.generator(group.index).random(out=draws[group.start : group.stop])
        y = ctx.buffer("y", values.shape)
        np.copyto(y, values)
        self._mask(y, lengths, draws)

        def backward(dy: Array, grads: Gradients) -> Array:
            self._mask(dy, lengths, draws)
            return dy

        return Ragged(y, lengths) if isinstance(x, Ragged) else y, backward

    def _mask(self, x: Array, lengths: Array, draws: Array) -> None:
        for sample, length, numbers in zip(x, lengths.tolist(), draws, strict=True):
            widest = min(self.time_width, int(self.time_share * length))
            for number in numbers[: self.time_masks]:
                sample[_stretch(number, widest, length)] = 0
            for number in numbers[self.time_masks :]:
                sample[:, _stretch(number, self.frequency_width, x.shape[-1])] = 0


def _stretch(draw: Array, widest: int, size: int) -> slice:
    """0 to `widest` of `size`, from two numbers uniform in [0, 1)."""
    width = int(draw[0] * (widest + 1))
    start = int(draw[1] * (size - width + 1))
    return slice(start, start + width)


def _as_it_is(dy: Array, grads: Gradients) -> Array:
    return dy
