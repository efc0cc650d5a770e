"""Dropout."""

from typing import Annotated

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Doc, Fraction
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array


class Dropout(Layer):
    """In training, sets random elements to zero and scales up the rest.

    Zero with probability `rate`, the others times 1 / (1 - rate): Srivastava et al. 2014 in its inverted form;
    evaluation passes the input through. The mask belongs to the group of samples, so it does not depend on how groups
    are spread over workers.
    """

    def __init__(self, rate: Annotated[Fraction, Doc("Probability of zero, in [0, 1).")]) -> None:
        self.rate = rate

    def declare(self, spec: Spec) -> Declaration:
        return Declaration(one_field(spec, self.kind))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        if not ctx.training or self.rate == 0.0:
            return x, _identity
        y = ctx.buffer("y", x.shape)
        for group in ctx.groups:
            ctx.generator(group.index).random(dtype=y.dtype, out=y[group.start : group.stop])
        mask = ctx.buffer("mask", x.shape)
        np.greater_equal(y, self.rate, out=mask)
        np.multiply(mask, 1.0 / (1.0 - self.rate), out=mask)
        np.multiply(x, mask, out=y)

        def backward(dy: Array, grads: Gradients) -> Array:
            return np.multiply(dy, mask, out=dy)

        return y, backward


def _identity(dy: Array, grads: Gradients) -> Array:
    return dy
