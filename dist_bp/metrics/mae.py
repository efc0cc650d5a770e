"""The mean absolute error."""

from typing import ClassVar

import numpy as np

from dist_bp.metrics.regression import MeanError
from dist_bp.types import Array


class Mae(MeanError):
    """Mean of the absolute errors, over samples and outputs."""

    name: ClassVar[str] = "mae"

    def _errors(self, difference: Array) -> Array:
        return np.abs(difference)
