"""Layer normalization over the last axis."""

from typing import Annotated

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.normalizing import affine_gradients, gain_and_offset, inverse_root, scaled
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Doc, Positive
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class LayerNorm(Layer):
    """Normalises each sample over its features.

    As BatchNorm, with mean and variance over the last axis of each sample (Ba et al. 2016, eq. 4).
    """

    def __init__(self, epsilon: Annotated[Positive, Doc("Added to the variance.")] = 1e-5) -> None:
        self.epsilon = epsilon

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind)
        return Declaration(field, gain_and_offset(field.shape, self.kind))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        features = x.shape[-1]
        normal, y = ctx.buffer("normal", x.shape), ctx.buffer("y", x.shape)
        mean, inverse = ctx.buffer("mean", (*x.shape[:-1], 1)), ctx.buffer("inverse", (*x.shape[:-1], 1))
        np.add.reduce(x, axis=-1, keepdims=True, out=mean)
        np.divide(mean, features, out=mean)
        np.subtract(x, mean, out=normal)
        np.multiply(normal, normal, out=y)
        np.add.reduce(y, axis=-1, keepdims=True, out=inverse)
        np.divide(inverse, features, out=inverse)
        inverse_root(inverse, self.epsilon, out=inverse)
        np.multiply(normal, inverse, out=normal)
        scaled(normal, params, y, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            scratch = ctx.buffer("scratch", x.shape)
            affine_gradients(dy, normal, grads, ctx)
            if not ctx.needs_input_grad:
                return None
            np.multiply(dy, params["gain"], out=dy)
            np.add.reduce(dy, axis=-1, keepdims=True, out=mean)
            np.divide(mean, features, out=mean)
            np.subtract(dy, mean, out=dy)
            np.multiply(dy, normal, out=scratch)
            np.add.reduce(scratch, axis=-1, keepdims=True, out=mean)
            np.divide(mean, features, out=mean)
            np.multiply(normal, mean, out=scratch)
            np.subtract(dy, scratch, out=dy)
            return np.multiply(dy, inverse, out=dy)

        return y, backward
