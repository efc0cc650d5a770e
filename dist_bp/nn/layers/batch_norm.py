"""Batch normalization over the last axis (features, or channels of a channels-last image)."""

import math
from typing import Annotated

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer, Statistic
from dist_bp.nn.layers.normalizing import affine_gradients, gain_and_offset, inverse_root
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Doc, Fraction, Positive
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class BatchNorm(Layer):
    """Normalises each feature over the samples of a group.

    y = gain * (x - mean) / sqrt(variance + epsilon) + offset, per feature (Ioffe & Szegedy 2015, algorithm 1). In
    training mean and (biased) variance are those of each group of samples, over all axes but the last. Evaluation takes
    the running averages, of means and of unbiased variances (algorithm 2), those of groups weighed by their rows. A
    group of one value a feature has no variance: it takes the running averages in training, too, and leaves them.
    """

    def __init__(
        self,
        momentum: Annotated[
            Fraction,
            Doc("Fraction of the running mean and unbiased variance that an update keeps: 1 - PyTorch's momentum."),
        ] = 0.9,
        epsilon: Annotated[Positive, Doc("Added to the variance.")] = 1e-5,
    ) -> None:
        self.momentum = momentum
        self.epsilon = epsilon

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind, ragged=False)
        statistics = {
            "mean": Statistic(field.shape[-1:], 0.0, self.momentum),
            "variance": Statistic(field.shape[-1:], 1.0, self.momentum),
        }
        return Declaration(field, gain_and_offset(field.shape, self.kind), statistics)

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        return self._train(x, params, ctx) if ctx.training else self._evaluate(x, params, ctx)

    def _train(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        features = x.shape[-1]
        per_group = (len(ctx.groups), 1, features)
        normal, y = ctx.buffer("normal", x.shape), ctx.buffer("y", x.shape)
        mean, variance = ctx.buffer("mean", per_group), ctx.buffer("variance", per_group)
        inverse = ctx.buffer("inverse", per_group)
        for rows, groups, (number, _) in ctx.equal_groups:
            block = (number, -1, features)
            inputs, centred, squares = (a[rows].reshape(block) for a in (x, normal, y))
            if inputs.shape[1] == 1:
                mean[groups], variance[groups] = ctx.statistics["mean"], ctx.statistics["variance"]
                np.subtract(inputs, mean[groups], out=centred)
            else:
                np.add.reduce(inputs, axis=1, keepdims=True, out=mean[groups])
                mean[groups] /= inputs.shape[1]
                np.subtract(inputs, mean[groups], out=centred)
                np.multiply(centred, centred, out=squares)
                np.add.reduce(squares, axis=1, keepdims=True, out=variance[groups])
                variance[groups] /= inputs.shape[1]
            inverse_root(variance[groups], self.epsilon, out=inverse[groups])
            np.multiply(centred, inverse[groups], out=centred)
        np.multiply(normal, params["gain"], out=y)
        np.add(y, params["offset"], out=y)
        rows_of, unbiased = ctx.buffer("rows_of", (len(ctx.groups),)), ctx.buffer("unbiased", per_group)
        for _, groups, (_, size) in ctx.equal_groups:
            rows_of[groups] = size
            values = size * math.prod(x.shape[1:-1])
            np.multiply(variance[groups], values / max(values - 1, 1), out=unbiased[groups])
        np.matmul(rows_of, mean[:, 0], out=ctx.sums.into("mean"))
        np.matmul(rows_of, unbiased[:, 0], out=ctx.sums.into("variance"))

        def backward(dy: Array, grads: Gradients) -> Array | None:
            scratch = ctx.buffer("scratch", x.shape)
            d_offset, d_gain = ctx.buffer("d_offset", per_group), ctx.buffer("d_gain", per_group)
            np.multiply(dy, normal, out=scratch)
            for rows, groups, (number, _) in ctx.equal_groups:
                block = (number, -1, features)
                np.add.reduce(dy[rows].reshape(block), axis=1, keepdims=True, out=d_offset[groups])
                np.add.reduce(scratch[rows].reshape(block), axis=1, keepdims=True, out=d_gain[groups])
            np.add.reduce(d_offset, axis=(0, 1), out=grads.into("offset"))
            np.add.reduce(d_gain, axis=(0, 1), out=grads.into("gain"))
            if not ctx.needs_input_grad:
                return None
            np.multiply(inverse, params["gain"], out=inverse)
            for rows, groups, (number, _) in ctx.equal_groups:
                block = (number, -1, features)
                d, n, product = (a[rows].reshape(block) for a in (dy, normal, scratch))
                if d.shape[1] > 1:
                    d_offset[groups] /= d.shape[1]
                    d_gain[groups] /= d.shape[1]
                    np.multiply(n, d_gain[groups], out=product)
                    np.subtract(d, product, out=d)
                    np.subtract(d, d_offset[groups], out=d)
                np.multiply(d, inverse[groups], out=d)
            return dy

        return y, backward

    def _evaluate(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        normal, y = ctx.buffer("normal", x.shape), ctx.buffer("y", x.shape)
        inverse = ctx.buffer("running_inverse", x.shape[-1:])
        inverse_root(ctx.statistics["variance"], self.epsilon, out=inverse)
        np.subtract(x, ctx.statistics["mean"], out=normal)
        np.multiply(normal, inverse, out=normal)
        np.multiply(normal, params["gain"], out=y)
        np.add(y, params["offset"], out=y)

        def backward(dy: Array, grads: Gradients) -> Array:
            affine_gradients(dy, normal, ctx.buffer("scratch", x.shape), grads)
            np.multiply(dy, params["gain"], out=dy)
            return np.multiply(dy, inverse, out=dy)

        return y, backward
