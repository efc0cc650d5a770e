"""Group normalization over positions and groups of channels."""

import math
from typing import Annotated

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layer import Declaration
from dist_bp.nn.layers.channel_groups import check_groups
from dist_bp.nn.layers.normalizing import Normalizing, along_rows, gain_and_offset, in_rows, sum_rows
from dist_bp.options import Count, Doc, Positive
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array, Shape


class GroupNorm(Normalizing):
    """Normalises each sample over its positions, some channels together.

    As LayerNorm, with mean and variance over all positions and the channels of a group (Wu & He 2018, eq. 7): nothing
    depends on the batch. Of samples of different lengths the positions count that they have.
    """

    positionwise = False

    def __init__(
        self,
        groups: Annotated[Count, Doc("How many groups of channels; 1: all together.")] = 32,
        epsilon: Annotated[Positive, Doc("Added to the variance.")] = 1e-5,
    ) -> None:
        super().__init__(epsilon)
        self.groups = groups

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind)
        parameters = gain_and_offset(field.shape, self.kind)
        check_groups(self.kind, self.groups, field.shape[-1])
        return Declaration(field, parameters)

    def _averages(self, shape: Shape) -> Shape:
        return shape[0], 1, shape[-1]

    def _average(self, values: Array, lengths: Array | None, out: Array, ctx: Context) -> None:
        """Over positions and the channels of a group, for each channel: `out` (n, 1, channels)."""
        sum_rows(in_rows(values, len(values)), values, ctx, out=out)
        groups = out.reshape(len(out), self.groups, out.shape[-1] // self.groups)
        means = ctx.buffer("means", (len(out), self.groups, 1))
        np.add.reduce(groups, axis=2, keepdims=True, out=means)
        if lengths is None:
            np.divide(means, math.prod(values.shape[1:]) // self.groups, out=means)
        else:
            counted = ctx.buffer("counted", (len(out), 1, 1))
            np.maximum(lengths[:, None, None], 1, out=counted)
            np.multiply(counted, math.prod(values.shape[2:]) // self.groups, out=counted)
            np.divide(means, counted, out=means)
        np.copyto(groups, means)

    def _each(self, operation: np.ufunc, x: Array, averages: Array, out: Array, ctx: Context) -> None:
        operation(in_rows(x, len(x)), along_rows(averages, x, ctx), out=in_rows(out, len(x)))
