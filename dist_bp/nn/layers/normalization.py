"""Batch and layer normalization over the last axis (features, or channels of a channels-last image)."""

import numpy as np

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.initializers import Constant
from dist_bp.nn.layer import Declaration, Layer, Parameter, Statistic
from dist_bp.nn.types import Backward, Shape, Views
from dist_bp.types import Array


class BatchNorm(Layer):
    """y = gain * (x - mean) / sqrt(variance + epsilon) + offset, per feature.

    Ioffe & Szegedy 2015, algorithm 1.     In training mean and (biased) variance are those of each group of
    samples, over all axes but the last; a group of one sample has variance 0. Evaluation takes the running
    averages.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5) -> None:
        if not 0.0 <= momentum <= 1.0:
            raise ConfigError(f"batch_norm needs a momentum from 0 to 1, got {momentum}")
        self.momentum = momentum
        self.epsilon = _positive(epsilon, "batch_norm")

    def declare(self, input_shape: Shape) -> Declaration:
        statistics = {
            "mean": Statistic(input_shape[-1:], 0.0, self.momentum),
            "variance": Statistic(input_shape[-1:], 1.0, self.momentum),
        }
        return Declaration(input_shape, _gain_and_offset(input_shape, self.kind), statistics)

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
            np.add.reduce(inputs, axis=1, keepdims=True, out=mean[groups])
            mean[groups] /= inputs.shape[1]
            np.subtract(inputs, mean[groups], out=centred)
            np.multiply(centred, centred, out=squares)
            np.add.reduce(squares, axis=1, keepdims=True, out=variance[groups])
            variance[groups] /= inputs.shape[1]
            _inverse_root(variance[groups], self.epsilon, out=inverse[groups])
            np.multiply(centred, inverse[groups], out=centred)
        np.multiply(normal, params["gain"], out=y)
        np.add(y, params["offset"], out=y)
        weights = _group_sizes(ctx)
        np.matmul(weights, mean[:, 0], out=ctx.sums["mean"])
        np.matmul(weights, variance[:, 0], out=ctx.sums["variance"])

        def backward(dy: Array, grads: Views) -> Array | None:
            scratch = ctx.buffer("scratch", x.shape)
            d_offset, d_gain = ctx.buffer("d_offset", per_group), ctx.buffer("d_gain", per_group)
            np.multiply(dy, normal, out=scratch)
            for rows, groups, (number, _) in ctx.equal_groups:
                block = (number, -1, features)
                np.add.reduce(dy[rows].reshape(block), axis=1, keepdims=True, out=d_offset[groups])
                np.add.reduce(scratch[rows].reshape(block), axis=1, keepdims=True, out=d_gain[groups])
            np.add.reduce(d_offset, axis=(0, 1), out=grads["offset"])
            np.add.reduce(d_gain, axis=(0, 1), out=grads["gain"])
            if not ctx.needs_input_grad:
                return None
            np.multiply(inverse, params["gain"], out=inverse)
            for rows, groups, (number, _) in ctx.equal_groups:
                block = (number, -1, features)
                d, n, product = (a[rows].reshape(block) for a in (dy, normal, scratch))
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
        _inverse_root(ctx.statistics["variance"], self.epsilon, out=inverse)
        np.subtract(x, ctx.statistics["mean"], out=normal)
        np.multiply(normal, inverse, out=normal)
        np.multiply(normal, params["gain"], out=y)
        np.add(y, params["offset"], out=y)

        def backward(dy: Array, grads: Views) -> Array:
            _affine_gradients(dy, normal, ctx.buffer("scratch", x.shape), grads)
            np.multiply(dy, params["gain"], out=dy)
            return np.multiply(dy, inverse, out=dy)

        return y, backward


class LayerNorm(Layer):
    """As BatchNorm, with mean and variance over the last axis of each sample (Ba et al. 2016, eq. 4)."""

    def __init__(self, epsilon: float = 1e-5) -> None:
        self.epsilon = _positive(epsilon, "layer_norm")

    def declare(self, input_shape: Shape) -> Declaration:
        return Declaration(input_shape, _gain_and_offset(input_shape, self.kind))

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
        _inverse_root(inverse, self.epsilon, out=inverse)
        np.multiply(normal, inverse, out=normal)
        np.multiply(normal, params["gain"], out=y)
        np.add(y, params["offset"], out=y)

        def backward(dy: Array, grads: Views) -> Array | None:
            scratch = ctx.buffer("scratch", x.shape)
            _affine_gradients(dy, normal, scratch, grads)
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


def _gain_and_offset(input_shape: Shape, kind: str) -> dict[str, Parameter]:
    if not input_shape:
        raise ShapeError(f"{kind} needs samples with an axis of features, got single numbers")
    return {
        "gain": Parameter(input_shape[-1:], Constant(1.0), decay=False),
        "offset": Parameter(input_shape[-1:], Constant(0.0), decay=False),
    }


def _affine_gradients(dy: Array, normal: Array, scratch: Array, grads: Views) -> None:
    """The gradients of gain and offset where y = gain * normal + offset."""
    over = tuple(range(dy.ndim - 1))
    np.multiply(dy, normal, out=scratch)
    np.add.reduce(scratch, axis=over, out=grads["gain"])
    np.add.reduce(dy, axis=over, out=grads["offset"])


def _inverse_root(variance: Array, epsilon: float, out: Array) -> None:
    np.add(variance, epsilon, out=out)
    np.sqrt(out, out=out)
    np.reciprocal(out, out=out)


def _group_sizes(ctx: Context) -> Array:
    """Rows of each group, as a vector to weigh the groups' statistics with."""
    sizes = ctx.buffer("sizes", (len(ctx.groups),))
    for _, groups, (_, size) in ctx.equal_groups:
        sizes[groups] = size
    return sizes


def _positive(epsilon: float, kind: str) -> float:
    if not epsilon > 0.0:
        raise ConfigError(f"{kind} needs an epsilon above 0, got {epsilon}")
    return epsilon
