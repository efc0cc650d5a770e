"""The hyperbolic tangent."""

import numpy as np

from dist_bp.nn.activations.base import ActivationFunction
from dist_bp.types import Array


class Tanh(ActivationFunction):
    """The hyperbolic tangent."""

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        np.tanh(x, out=y)
        np.multiply(y, y, out=slope)
        np.subtract(1.0, slope, out=slope)
