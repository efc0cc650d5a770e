"""The mean squared error."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.regression import MeanError
from dist_bp.types import Array


class Mse(MeanError):
    """Mean of the squared errors, over samples and outputs."""

    name: ClassVar[str] = "mse"

    def _errors(self, difference: Array) -> Array:
        return np.square(difference)
