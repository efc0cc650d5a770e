"""The sigmoid-weighted linear unit."""

import numpy as np

from dist_bp.nn.activations.base import ActivationFunction
from dist_bp.nn.activations.sigmoid import logistic
from dist_bp.types import Array


class Silu(ActivationFunction):
    """x * sigmoid(x) (Elfwing et al. 2018)."""

    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        logistic(x, out=slope, scratch=scratch)
        np.subtract(1.0, slope, out=scratch)
        scratch *= x
        scratch += 1.0
        np.multiply(x, slope, out=y)
        slope *= scratch
