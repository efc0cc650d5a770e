"""Losses on numbers. A sample's loss is the average over its output units."""

from abc import abstractmethod

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.losses.base import Loss, units
from dist_bp.types import Array, Shape


class RegressionLoss(Loss):
    """A loss of the errors `outputs - targets`: both (n, k), or targets (n,) for one unit."""

    kind = "regression"
    activation = "identity"

    def check(self, output_shape: Shape, classes: int | None, target_shape: Shape = ()) -> None:
        if classes is not None:
            raise ShapeError(f"{self.name} needs numbers, the targets are {classes} classes: use cross_entropy")
        wanted = target_shape or (1,)
        if output_shape != wanted:
            raise ShapeError(
                f"{self.name} needs as many units in the last layer as a target has numbers, "
                f"{units(wanted)}, it has {units(output_shape)}"
            )

    def __call__(self, outputs: Array, targets: Array, ctx: Context) -> tuple[float, int, Array]:
        gradient = ctx.buffer("loss.gradient", outputs.shape)
        losses = ctx.buffer("loss.losses", outputs.shape)
        scale = 1.0 / outputs.shape[1]
        np.subtract(outputs, targets.reshape(outputs.shape), out=gradient)
        self._apply(gradient, losses)
        np.multiply(gradient, scale, out=gradient)
        return float(np.add.reduce(losses, axis=None, dtype=np.float64)) * scale, len(outputs), gradient

    @abstractmethod
    def _apply(self, errors: Array, losses: Array) -> None:
        """Writes each error's loss into `losses` and puts its derivative in the error's place."""
