"""Losses on numbers. A sample's loss is the average over its output units."""

from abc import abstractmethod

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.losses.base import Loss, check_lengths, check_positions, flatten, units
from dist_bp.signals import Field
from dist_bp.types import Array


class RegressionLoss(Loss):
    """A loss of the errors `outputs - targets`: both (n, k), or targets (n,) for one unit."""

    kind = "regression"
    activation = "identity"

    def check(self, output: Field, target: Field) -> None:
        if target.count is not None:
            raise ShapeError(f"{self.name} needs numbers, the targets are {target.count} classes: use cross_entropy")
        check_lengths(self.name, output, target)
        wanted = target.shaped(target.shape or (1,))
        check_positions(self.name, output, wanted)
        if output != wanted:
            raise ShapeError(
                f"{self.name} needs as many units in the last layer as a target has numbers, "
                f"{units(wanted)}, it has {units(output)}{flatten(output, target)}"
            )

    def terms(self, outputs: Array, targets: Array, ctx: Context) -> tuple[Array, Array]:
        slopes = ctx.buffer("loss.gradient", outputs.shape)
        losses = ctx.buffer("loss.losses", outputs.shape)
        np.subtract(outputs, targets.reshape(outputs.shape), out=slopes)
        self._apply(slopes, losses)
        return losses, slopes

    @abstractmethod
    def _apply(self, errors: Array, losses: Array) -> None:
        """Writes each error's loss into `losses` and puts its derivative in the error's place."""
