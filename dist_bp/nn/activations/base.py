"""The contract of an activation function: value and derivative in one pass, in place and without temporaries."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from dist_bp.component import Component
from dist_bp.types import Array


class ActivationFunction(Component):
    """An elementwise function f, called as `function(x, y, slope, scratch)` with four arrays of one shape and dtype.

    `y` may be `x` itself. Backward is `dy *= slope` for all of them. `rectifier`: it halves the variance, so that He
    initialization suits it.
    """

    rectifier: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        """Writes f(x) into `y` and f'(x) into `slope`; what `scratch` holds is of no use before and after."""


def slopes(x: Array, alpha: float, out: Array) -> None:
    """1 where x > 0, else alpha."""
    np.greater(x, 0.0, out=out)
    out *= 1.0 - alpha
    out += alpha
