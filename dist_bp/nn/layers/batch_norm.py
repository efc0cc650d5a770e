"""Batch normalization over the last axis (features, or channels of a channels-last image)."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import numpy as np

from dist_bp.nn.context import Context, EqualGroups
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer, Statistic
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
from dist_bp.options import Doc, Fraction, Positive
from dist_bp.signals import Ragged, Signal, Spec, one_field
from dist_bp.types import Array


class BatchNorm(Layer):
    """Normalises each feature over the samples of a group.

    y = gain * (x - mean) / sqrt(variance + epsilon) + offset, per feature (Ioffe & Szegedy 2015, algorithm 1). In
    training mean and (biased) variance are those of each group of samples, over all axes but the last. Evaluation takes
    the running averages, of means and of unbiased variances (algorithm 2), those of groups weighed by their rows. A
    group of one value a feature has no variance: it takes the running averages in training, too, and leaves them. Of
    samples of different lengths the positions count that they have.
    """

    positionwise = False
    continues = True

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
        field = one_field(spec, self.kind)
        statistics = {
            "mean": Statistic(field.shape[-1:], 0.0, self.momentum),
            "variance": Statistic(field.shape[-1:], 1.0, self.momentum),
        }
        return Declaration(field, gain_and_offset(field.shape, self.kind), statistics)

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        if not isinstance(x, Ragged):
            return self._train(x, ctx.equal_groups, params, ctx) if ctx.training else self._evaluate(x, params, ctx)
        if ctx.training:
            return self._train_positions(x, params, ctx)
        y, backward = self._evaluate(x.values, params, ctx)
        return Ragged(y, x.lengths), backward

    def _train_positions(self, x: Ragged, params: Views, ctx: Context) -> tuple[Ragged, Backward]:
        """As if the positions that samples have were samples themselves."""
        edges = [0, *np.cumsum(x.lengths).tolist()]
        groups = []
        for number, group in enumerate(ctx.groups):
            first, last = edges[group.start], edges[group.stop]
            groups.append(EqualGroups(slice(first, last), slice(number, number + 1), (1, last - first)))
        together = ctx.buffer("together", (edges[-1], *x.values.shape[2:]))
        apart = ctx.buffer("apart", x.values.shape)
        apart.fill(0)
        rows = [together[start:stop] for start, stop in pairwise(edges)]
        for own, sample in zip(rows, x.values, strict=True):
            own[:] = sample[: len(own)]
        normal, back = self._train(together, groups, params, ctx)
        for start, own, sample in zip(edges, rows, apart, strict=False):
            sample[: len(own)] = normal[start : start + len(own)]

        def backward(dy: Array, grads: Gradients) -> Array | None:
            for own, sample in zip(rows, dy, strict=True):
                own[:] = sample[: len(own)]
            if back(together, grads) is None:
                return None
            for own, sample in zip(rows, dy, strict=True):
                sample[: len(own)] = own
            return dy

        return Ragged(apart, x.lengths), backward

    def _train(
        self, x: Array, equal_groups: Sequence[EqualGroups], params: Views, ctx: Context
    ) -> tuple[Array, Backward]:
        per_group = (len(ctx.groups), 1, x.shape[-1])
        normal, y = ctx.buffer("normal", x.shape), ctx.buffer("y", x.shape)
        mean, variance = ctx.buffer("mean", per_group), ctx.buffer("variance", per_group)
        inverse = ctx.buffer("inverse", per_group)
        for rows, groups, (number, size) in equal_groups:
            inputs, centred, squares = (in_rows(a[rows], number) for a in (x, normal, y))
            values = size * math.prod(x.shape[1:-1])
            if values <= 1:
                mean[groups], variance[groups] = ctx.statistics["mean"], ctx.statistics["variance"]
                np.subtract(inputs, along_rows(mean[groups], x, ctx), out=centred)
            else:
                sum_rows(inputs, x, ctx, out=mean[groups])
                mean[groups] /= values
                np.subtract(inputs, along_rows(mean[groups], x, ctx), out=centred)
                np.multiply(centred, centred, out=squares)
                sum_rows(squares, x, ctx, out=variance[groups])
                variance[groups] /= values
            inverse_root(variance[groups], self.epsilon, out=inverse[groups])
            np.multiply(centred, along_rows(inverse[groups], x, ctx), out=centred)
        scaled(normal, params, y, ctx)
        rows_of, unbiased = ctx.buffer("rows_of", (len(ctx.groups),)), ctx.buffer("unbiased", per_group)
        for number, group in enumerate(ctx.groups):
            rows_of[number] = group.stop - group.start
        for _, groups, (_, size) in equal_groups:
            values = size * math.prod(x.shape[1:-1])
            np.multiply(variance[groups], max(values, 1) / max(values - 1, 1), out=unbiased[groups])
        np.matmul(rows_of, mean[:, 0], out=ctx.sums.into("mean"))
        np.matmul(rows_of, unbiased[:, 0], out=ctx.sums.into("variance"))

        def backward(dy: Array, grads: Gradients) -> Array | None:
            scratch = ctx.buffer("scratch", x.shape)
            d_offset, d_gain = ctx.buffer("d_offset", per_group), ctx.buffer("d_gain", per_group)
            np.multiply(dy, normal, out=scratch)
            for rows, groups, (number, _) in equal_groups:
                sum_rows(in_rows(dy[rows], number), x, ctx, out=d_offset[groups])
                sum_rows(in_rows(scratch[rows], number), x, ctx, out=d_gain[groups])
            np.add.reduce(d_offset, axis=(0, 1), out=grads.into("offset"))
            np.add.reduce(d_gain, axis=(0, 1), out=grads.into("gain"))
            if not ctx.needs_input_grad:
                return None
            np.multiply(inverse, params["gain"], out=inverse)
            for rows, groups, (number, size) in equal_groups:
                d, n, product = (in_rows(a[rows], number) for a in (dy, normal, scratch))
                values = size * math.prod(x.shape[1:-1])
                if values > 1:
                    d_offset[groups] /= values
                    d_gain[groups] /= values
                    np.multiply(n, along_rows(d_gain[groups], x, ctx), out=product)
                    np.subtract(d, product, out=d)
                    np.subtract(d, along_rows(d_offset[groups], x, ctx), out=d)
                np.multiply(d, along_rows(inverse[groups], x, ctx), out=d)
            return dy

        return y, backward

    def _evaluate(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        normal, y = ctx.buffer("normal", x.shape), ctx.buffer("y", x.shape)
        inverse = ctx.buffer("running_inverse", x.shape[-1:])
        inverse_root(ctx.statistics["variance"], self.epsilon, out=inverse)
        inputs, centred = in_rows(x), in_rows(normal)
        np.subtract(inputs, along_rows(ctx.statistics["mean"], x, ctx), out=centred)
        np.multiply(centred, along_rows(inverse, x, ctx), out=centred)
        scaled(normal, params, y, ctx)

        def backward(dy: Array, grads: Gradients) -> Array:
            affine_gradients(dy, normal, grads, ctx)
            d = in_rows(dy)
            np.multiply(d, along_rows(params["gain"], x, ctx), out=d)
            np.multiply(d, along_rows(inverse, x, ctx), out=d)
            return dy

        return y, backward
