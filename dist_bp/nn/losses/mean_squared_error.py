"""Squared errors."""

import numpy as np

from dist_bp.nn.losses.regression import RegressionLoss
from dist_bp.types import Array


class MeanSquaredError(RegressionLoss):
    """Mean of the squared errors."""

    name = "mse"

    def _apply(self, errors: Array, losses: Array) -> None:
        np.multiply(errors, errors, out=losses)
        np.multiply(errors, 2.0, out=errors)
