"""The loss of Huber."""

from typing import Annotated

import numpy as np

from dist_bp.nn.losses.regression import RegressionLoss
from dist_bp.options import Doc, Positive
from dist_bp.types import Array


class Huber(RegressionLoss):
    """Half the squared error up to delta, linear beyond.

    error^2 / 2 up to |error| = delta, from there on delta * (|error| - delta / 2) (Huber 1964).
    """

    name = "huber"

    def __init__(self, delta: Annotated[Positive, Doc("Where it becomes linear.")] = 1.0) -> None:
        self.delta = delta

    def _apply(self, errors: Array, losses: Array) -> None:
        # With c the error clipped to +-delta both branches are c * (error - c / 2), and c is the derivative.
        np.clip(errors, -self.delta, self.delta, out=losses)
        np.multiply(losses, -0.5, out=losses)
        np.add(losses, errors, out=losses)
        np.clip(errors, -self.delta, self.delta, out=errors)
        np.multiply(losses, errors, out=losses)
