"""Losses on numbers. A sample's loss is the average over its output units."""

from abc import abstractmethod

import numpy as np

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.losses.base import Loss, units
from dist_bp.nn.types import Shape
from dist_bp.types import Array


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


class MeanSquaredError(RegressionLoss):
    """error^2."""

    name = "mse"

    def _apply(self, errors: Array, losses: Array) -> None:
        np.multiply(errors, errors, out=losses)
        np.multiply(errors, 2.0, out=errors)


class MeanAbsoluteError(RegressionLoss):
    """|error|; the derivative at 0 is 0."""

    name = "mae"

    def _apply(self, errors: Array, losses: Array) -> None:
        np.absolute(errors, out=losses)
        np.sign(errors, out=errors)


class Huber(RegressionLoss):
    """error^2 / 2 up to |error| = delta, from there on delta * (|error| - delta / 2) (Huber 1964)."""

    name = "huber"

    def __init__(self, delta: float = 1.0) -> None:
        if not delta > 0.0:
            raise ConfigError(f"huber needs a delta above 0, got {delta}")
        self.delta = delta

    def _apply(self, errors: Array, losses: Array) -> None:
        # With c the error clipped to +-delta both branches are c * (error - c / 2), and c is the derivative.
        np.clip(errors, -self.delta, self.delta, out=losses)
        np.multiply(losses, -0.5, out=losses)
        np.add(losses, errors, out=losses)
        np.clip(errors, -self.delta, self.delta, out=errors)
        np.multiply(losses, errors, out=losses)
