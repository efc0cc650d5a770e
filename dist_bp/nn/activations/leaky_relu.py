"""A rectifier that lets a little through."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.nn.activations.base import ActivationFunction, slopes
from dist_bp.options import Doc, NonNegative
from dist_bp.types import Array


@dataclass(frozen=True)
class LeakyRelu(ActivationFunction):
    """x for x > 0, else alpha * x (Maas et al. 2013)."""

    alpha: Annotated[NonNegative, Doc("Slope below 0.")] = 0.01
    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        slopes(x, self.alpha, slope)
        np.multiply(x, slope, out=y)
