"""The logistic function."""

import numpy as np

from dist_bp.nn.activations.base import ActivationFunction
from dist_bp.types import Array


def small_power(x: Array, out: Array) -> Array:
    """exp(-|x|), in (0, 1]: what logistic functions are made of where neither end shall overflow or cancel."""
    np.absolute(x, out=out)
    np.negative(out, out=out)
    np.exp(out, out=out)
    return out


def logistic(x: Array, out: Array, scratch: Array) -> None:
    """1 / (1 + exp(-x)) = exp(min(x, 0)) / (1 + exp(-|x|)), to the last digits at both ends.

    `out` is not `x`; `scratch` holds 1 + exp(-|x|) afterwards.
    """
    small_power(x, scratch)
    np.greater(x, 0.0, out=out)
    np.maximum(out, scratch, out=out)
    scratch += 1.0
    out /= scratch


class Sigmoid(ActivationFunction):
    """The logistic function, 1 / (1 + exp(-x))."""

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        # As in `logistic`; the slope is exp(-|x|) / (1 + exp(-|x|))^2.
        small_power(x, slope)
        np.greater(x, 0.0, out=scratch)
        np.maximum(scratch, slope, out=y)
        np.add(slope, 1.0, out=scratch)
        y /= scratch
        slope /= scratch
        slope /= scratch
