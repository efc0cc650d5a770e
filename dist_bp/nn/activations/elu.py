"""The exponential linear unit."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.nn.activations.base import ActivationFunction, slopes
from dist_bp.options import Doc, NonNegative
from dist_bp.types import Array


@dataclass(frozen=True)
class Elu(ActivationFunction):
    """x for x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2016, eq. 15)."""

    alpha: Annotated[NonNegative, Doc("It falls to -alpha.")] = 1.0
    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        slopes(x, self.alpha, slope)
        np.minimum(x, 0.0, out=scratch)
        np.expm1(scratch, out=scratch)
        scratch *= slope
        np.maximum(x, 0.0, out=y)
        y += scratch
        slope += scratch
