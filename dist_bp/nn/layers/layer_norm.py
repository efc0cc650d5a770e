"""Layer normalization over the last axis."""

from typing import Annotated

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layer import Declaration
from dist_bp.nn.layers.normalizing import Normalizing, gain_and_offset
from dist_bp.options import Doc, Positive
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array, Shape


class LayerNorm(Normalizing):
    """Normalises each sample over its features.

    As BatchNorm, with mean and variance over the last axis of each sample (Ba et al. 2016, eq. 4).
    """

    def __init__(self, epsilon: Annotated[Positive, Doc("Added to the variance.")] = 1e-5) -> None:
        super().__init__(epsilon)

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind)
        return Declaration(field, gain_and_offset(field.shape, self.kind))

    def _averages(self, shape: Shape) -> Shape:
        return *shape[:-1], 1

    def _average(self, values: Array, lengths: Array | None, out: Array, ctx: Context) -> None:
        np.add.reduce(values, axis=-1, keepdims=True, out=out)
        np.divide(out, values.shape[-1], out=out)

    def _each(self, operation: np.ufunc, x: Array, averages: Array, out: Array, ctx: Context) -> None:
        operation(x, averages, out=out)
