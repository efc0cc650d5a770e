"""Softmax cross-entropy on scores (logits) of classes."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.messages import plural
from dist_bp.nn.context import Context
from dist_bp.nn.losses.base import Loss, check_lengths, check_positions, flatten, units
from dist_bp.options import Doc, Fraction, NonNegative
from dist_bp.signals import Field
from dist_bp.types import Array


class CrossEntropy(Loss):
    """Softmax cross-entropy of one class out of several.

    `outputs` are (n, ..., k), the labels `targets` (n, ...) int64 in 0..k-1. `label_smoothing` moves that part of the
    target evenly to all k classes (Szegedy et al. 2016, section 7). `class_weights`, one for each class, multiply the
    loss of a sample by the weight of its label; what is divided by stays the number of samples or positions.
    """

    name = "cross_entropy"
    kind = "classification"
    activation = "softmax"

    def __init__(
        self,
        label_smoothing: Annotated[
            Fraction,
            Doc(
                "Fraction of each target spread over all classes, in [0, 1). With class_weights a sample's whole loss "
                "has the weight of its label; PyTorch gives each class's part of the spread that class's weight."
            ),
        ] = 0.0,
        class_weights: Annotated[
            Literal["balanced"] | Sequence[NonNegative] | None,
            Doc(
                "A factor for each class's samples, or `balanced`: inverse to the class's frequency, 1 on average. "
                "Losses are averaged over samples or positions; PyTorch divides by the sum of their weights."
            ),
        ] = None,
    ) -> None:
        self.label_smoothing = label_smoothing
        self.needs_class_counts = isinstance(class_weights, str)
        given = None if isinstance(class_weights, str) else class_weights
        self.class_weights = None if given is None else np.array(given, np.float64)

    def for_class_counts(self, counts: Sequence[float] | None) -> Loss:
        if not self.needs_class_counts:
            return self
        return CrossEntropy(self.label_smoothing, balanced_class_weights(counts) if counts else None)

    def check(self, output: Field, target: Field) -> None:
        classes = target.count
        if classes is None:
            raise ShapeError("cross_entropy needs class labels, the targets are numbers: use mse, mae or huber")
        check_lengths(self.name, output, target)
        wanted = target.shaped((*target.shape, classes))
        check_positions(self.name, output, wanted)
        problems = []
        if (output.shape, output.ragged) != (wanted.shape, wanted.ragged):
            problems.append(
                f"cross_entropy over {plural(classes, 'class')} needs {plural(classes, 'unit')} in the last layer, "
                f"it has {units(output)}{flatten(output, target)}"
            )
        if self.class_weights is not None and len(self.class_weights) != classes:
            problems.append(f"cross_entropy has {len(self.class_weights)} class_weights for {classes} classes")
        if problems:
            raise ShapeError(problems)

    def terms(self, outputs: Array, targets: Array, ctx: Context) -> tuple[Array, Array]:
        if self.needs_class_counts:
            raise ConfigError("class_weights: balanced needs the classes' counts: use loss.for_class_counts(counts)")
        rows, classes = outputs.shape
        gradient = ctx.buffer("loss.gradient", outputs.shape)
        row = ctx.buffer("loss.row", (rows, 1))
        losses = ctx.buffer("loss.losses", (rows, 1))
        picked = ctx.buffer("loss.picked", (rows,))
        at = ctx.buffer("loss.at", (rows,), np.int64)
        np.add(ctx.buffer("loss.starts", (rows,), np.int64, lambda starts: _count_by(classes, starts)), targets, out=at)
        flat = gradient.reshape(-1)
        hit, rest = 1.0 - self.label_smoothing, self.label_smoothing / classes

        np.maximum.reduce(outputs, axis=1, keepdims=True, out=row)
        np.subtract(outputs, row, out=gradient)
        flat.take(at, out=picked, mode="clip")
        np.multiply(picked, -hit, out=losses[:, 0])
        if self.label_smoothing:
            np.add.reduce(gradient, axis=1, keepdims=True, out=row)
            np.multiply(row, rest, out=row)
            np.subtract(losses, row, out=losses)
        np.exp(gradient, out=gradient)
        np.add.reduce(gradient, axis=1, keepdims=True, out=row)
        np.divide(gradient, row, out=gradient)
        np.log(row, out=row)
        np.add(losses, row, out=losses)

        flat.take(at, out=picked, mode="clip")
        np.subtract(picked, hit, out=picked)
        flat[at] = picked
        if self.label_smoothing:
            np.subtract(gradient, rest, out=gradient)
        if self.class_weights is not None:
            weights = ctx.buffer("loss.weights", (classes,))
            np.copyto(weights, self.class_weights)
            weights.take(targets, out=row[:, 0], mode="clip")
            np.multiply(losses, row, out=losses)
            np.multiply(gradient, row, out=gradient)
        return losses, gradient


def balanced_class_weights(counts: Sequence[float]) -> tuple[float, ...]:
    """samples / (classes * samples of the class): classes weigh the same, and a sample 1 on average.

    Classes without samples get 0 and are not counted.
    """
    total, present = sum(counts), sum(count > 0 for count in counts)
    return tuple(total / (present * count) if count else 0.0 for count in counts)


def _count_by(step: int, array: Array) -> None:
    array[:] = np.arange(len(array)) * step
