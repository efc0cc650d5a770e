"""A rectifier that lets a little through."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.nn.activations.base import ActivationFunction
from dist_bp.options import Doc, NonNegative
from dist_bp.types import Array


@dataclass(frozen=True)
class LeakyRelu(ActivationFunction):
    """x for x > 0, else alpha * x (Maas et al. 2013)."""

    alpha: Annotated[NonNegative, Doc("Slope below 0.")] = 0.01
    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        np.greater(x, 0.0, out=slope)
        slope *= 1.0 - self.alpha
        slope += self.alpha
        np.multiply(x, slope, out=y)
