"""The smooth rectifier."""

import numpy as np

from dist_bp.nn.activations.base import ActivationFunction
from dist_bp.nn.activations.sigmoid import small_power
from dist_bp.types import Array


class Softplus(ActivationFunction):
    """log(1 + exp(x)), written as max(x, 0) + log1p(exp(-|x|))."""

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        small_power(x, scratch)
        np.greater(x, 0.0, out=slope)
        np.maximum(slope, scratch, out=slope)  # exp(min(x, 0))
        np.log1p(scratch, out=scratch)
        np.maximum(x, 0.0, out=y)
        y += scratch
        np.negative(scratch, out=scratch)
        np.exp(scratch, out=scratch)  # 1 / (1 + exp(-|x|))
        slope *= scratch
