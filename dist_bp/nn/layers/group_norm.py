"""Group normalization over positions and groups of channels."""

import math
from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.messages import plural
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.normalizing import (
    affine_gradients,
    along_rows,
    gain_and_offset,
    in_rows,
    inverse_root,
    scaled,
    sum_rows,
)
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, Positive
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class GroupNorm(Layer):
    """Normalises each sample over its positions, some channels together.

    As LayerNorm, with mean and variance over all positions and the channels of a group (Wu & He 2018, eq. 7): nothing
    depends on the batch.
    """

    positionwise = False

    def __init__(
        self,
        groups: Annotated[Count, Doc("How many groups of channels; 1: all together.")] = 32,
        epsilon: Annotated[Positive, Doc("Added to the variance.")] = 1e-5,
    ) -> None:
        self.groups = groups
        self.epsilon = epsilon

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind, ragged=False)
        parameters = gain_and_offset(field.shape, self.kind)
        if field.shape[-1] % self.groups:
            channels = field.shape[-1]
            fitting = [str(groups) for groups in range(1, channels + 1) if channels % groups == 0]
            raise ShapeError(
                f"{self.kind}: its {self.groups} groups must divide the {plural(channels, 'channel')}: set groups to "
                f"{' or '.join(fitting)}"
            )
        return Declaration(field, parameters)

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        normal, y = ctx.buffer("normal", x.shape), ctx.buffer("y", x.shape)
        per_sample = (len(x), 1, x.shape[-1])
        mean, inverse = ctx.buffer("mean", per_sample), ctx.buffer("inverse", per_sample)
        centred, squares = in_rows(normal, len(x)), in_rows(y, len(x))
        self._mean(x, mean, ctx)
        np.subtract(in_rows(x, len(x)), along_rows(mean, x, ctx), out=centred)
        np.multiply(centred, centred, out=squares)
        self._mean(y, inverse, ctx)
        inverse_root(inverse, self.epsilon, out=inverse)
        np.multiply(centred, along_rows(inverse, x, ctx), out=centred)
        scaled(normal, params, y, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            affine_gradients(dy, normal, grads, ctx)
            if not ctx.needs_input_grad:
                return None
            scratch = ctx.buffer("scratch", x.shape)
            d, n, product = (in_rows(a, len(x)) for a in (dy, normal, scratch))
            np.multiply(in_rows(dy), along_rows(params["gain"], x, ctx), out=in_rows(dy))
            np.multiply(d, n, out=product)
            self._mean(dy, mean, ctx)
            np.subtract(d, along_rows(mean, x, ctx), out=d)
            self._mean(scratch, mean, ctx)
            np.multiply(n, along_rows(mean, x, ctx), out=product)
            np.subtract(d, product, out=d)
            np.multiply(d, along_rows(inverse, x, ctx), out=d)
            return dy

        return y, backward

    def _mean(self, values: Array, out: Array, ctx: Context) -> None:
        """Of each sample over positions and the channels of a group, for each channel: `out` (n, 1, channels)."""
        sum_rows(in_rows(values, len(values)), values, ctx, out=out)
        groups = out.reshape(len(out), self.groups, out.shape[-1] // self.groups)
        means = ctx.buffer("means", (len(out), self.groups, 1))
        np.add.reduce(groups, axis=2, keepdims=True, out=means)
        np.divide(means, math.prod(values.shape[1:]) // self.groups, out=means)
        np.copyto(groups, means)
