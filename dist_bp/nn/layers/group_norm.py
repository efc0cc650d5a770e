"""Group normalization over positions and groups of channels."""

from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.normalizing import affine_gradients, gain_and_offset, inverse_root
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
            raise ShapeError(f"{self.kind}: its {self.groups} groups must divide the {field.shape[-1]} channels")
        return Declaration(field, parameters)

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        channels = x.shape[-1] // self.groups
        positions = x.size // max(len(x) * x.shape[-1], 1)
        block, per_group = (len(x), positions, self.groups, channels), (len(x), 1, self.groups, 1)
        normal, y = ctx.buffer("normal", x.shape), ctx.buffer("y", x.shape)
        mean, inverse = ctx.buffer("mean", per_group), ctx.buffer("inverse", per_group)
        centred, squares = normal.reshape(block), y.reshape(block)
        _mean(x.reshape(block), mean)
        np.subtract(x.reshape(block), mean, out=centred)
        np.multiply(centred, centred, out=squares)
        _mean(squares, inverse)
        inverse_root(inverse, self.epsilon, out=inverse)
        np.multiply(centred, inverse, out=centred)
        np.multiply(normal, params["gain"], out=y)
        np.add(y, params["offset"], out=y)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            scratch = ctx.buffer("scratch", x.shape)
            affine_gradients(dy, normal, scratch, grads)
            if not ctx.needs_input_grad:
                return None
            np.multiply(dy, params["gain"], out=dy)
            d, n, product = (a.reshape(block) for a in (dy, normal, scratch))
            _mean(d, mean)
            np.multiply(d, n, out=product)
            np.subtract(d, mean, out=d)
            _mean(product, mean)
            np.multiply(n, mean, out=product)
            np.subtract(d, product, out=d)
            np.multiply(d, inverse, out=d)
            return dy

        return y, backward


def _mean(values: Array, out: Array) -> None:
    """Over positions and the channels of a group."""
    np.add.reduce(values, axis=(1, 3), keepdims=True, out=out)
    np.divide(out, max(values.shape[1] * values.shape[3], 1), out=out)
