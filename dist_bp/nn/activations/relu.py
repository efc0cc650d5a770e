"""The rectifier."""

import numpy as np

from dist_bp.nn.activations.base import ActivationFunction
from dist_bp.types import Array


class Relu(ActivationFunction):
    """max(x, 0); the derivative at 0 is 0."""

    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        slope.fill(0.0)  # an array of zeros, not the scalar: NumPy's vector loops ask for it
        np.maximum(x, slope, out=y)
        np.greater(y, 0.0, out=slope)
