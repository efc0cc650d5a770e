"""Absolute errors."""

import numpy as np

from dist_bp.nn.losses.regression import RegressionLoss
from dist_bp.types import Array


class MeanAbsoluteError(RegressionLoss):
    """Mean of the absolute errors; the derivative of |error| at 0 is 0."""

    name = "mae"

    def _apply(self, errors: Array, losses: Array) -> None:
        np.absolute(errors, out=losses)
        np.sign(errors, out=errors)
