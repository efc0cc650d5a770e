"""Sigmoid cross-entropy on scores (logits) of yes or no."""

from typing import Annotated

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.activations.sigmoid import small_power
from dist_bp.nn.context import Context
from dist_bp.nn.losses.base import Loss, check_lengths, check_positions, flatten, units
from dist_bp.options import Doc, Positive
from dist_bp.signals import Field
from dist_bp.types import Array


class BinaryCrossEntropy(Loss):
    """Sigmoid cross-entropy of targets 0 and 1.

    `outputs` are (n, k), `targets` (n, k) in 0..1, or (n,) for one unit. The losses of a sample's k labels are
    averaged. `positive_weight` multiplies the loss of the positive ones.
    """

    name = "binary_cross_entropy"
    kind = "classification"
    activation = "sigmoid"

    def __init__(self, positive_weight: Annotated[Positive, Doc("Factor of the positive samples.")] = 1.0) -> None:
        self.positive_weight = positive_weight

    def check(self, output: Field, target: Field) -> None:
        if target.count not in (None, 2):
            raise ShapeError(f"binary_cross_entropy needs 2 classes, the data has {target.count}: use cross_entropy")
        check_lengths(self.name, output, target)
        wanted = Field((*target.shape, 1) if target.count or not target.shape else target.shape, ragged=target.ragged)
        check_positions(self.name, output, wanted)
        if output != wanted:
            raise ShapeError(
                f"binary_cross_entropy needs a unit in the last layer for each label, {units(wanted)}, "
                f"it has {units(output)}{flatten(output, target)}"
            )

    def terms(self, outputs: Array, targets: Array, ctx: Context) -> tuple[Array, Array]:
        labels = ctx.buffer("loss.labels", outputs.shape)
        positive = ctx.buffer("loss.positive", outputs.shape)
        scratch = ctx.buffer("loss.scratch", outputs.shape)
        losses = ctx.buffer("loss.losses", outputs.shape)
        gradient = ctx.buffer("loss.gradient", outputs.shape)
        np.copyto(labels, targets.reshape(outputs.shape), casting="same_kind")
        np.multiply(labels, self.positive_weight, out=positive)
        negative = np.subtract(1.0, labels, out=labels)

        # negative * sigmoid(z) - positive * sigmoid(-z): nothing cancels where a sample is all but certain.
        power = small_power(outputs, out=losses)
        np.greater(outputs, 0.0, out=gradient)
        np.subtract(1.0, gradient, out=scratch)
        np.maximum(scratch, power, out=scratch)
        np.multiply(scratch, positive, out=scratch)
        np.maximum(gradient, power, out=gradient)
        np.multiply(gradient, negative, out=gradient)
        np.subtract(gradient, scratch, out=gradient)
        np.add(power, 1.0, out=scratch)
        np.divide(gradient, scratch, out=gradient)

        # negative * softplus(z) + positive * softplus(-z), softplus(z) being max(z, 0) + log1p(exp(-|z|)).
        np.log1p(power, out=losses)
        np.add(positive, negative, out=scratch)
        np.multiply(losses, scratch, out=losses)
        np.maximum(outputs, 0.0, out=scratch)
        np.multiply(scratch, negative, out=scratch)
        np.add(losses, scratch, out=losses)
        np.minimum(outputs, 0.0, out=scratch)
        np.multiply(scratch, positive, out=scratch)
        np.subtract(losses, scratch, out=losses)
        return losses, gradient
