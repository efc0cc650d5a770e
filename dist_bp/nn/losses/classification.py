"""Losses on scores (logits) of classes."""

from collections.abc import Sequence

import numpy as np

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn.activations import logistic
from dist_bp.nn.context import Context
from dist_bp.nn.losses.base import Loss, units
from dist_bp.nn.types import Shape
from dist_bp.types import Array


class CrossEntropy(Loss):
    """Softmax cross-entropy of `outputs` (n, k) and labels `targets` (n,) int64 in 0..k-1.

    `label_smoothing` moves that fraction of the target evenly to all k classes (Szegedy et al. 2016, section
    7). `class_weights`, one for each class, multiply the loss of a sample by the weight of its label; the
    count stays the number of samples.
    """

    name = "cross_entropy"
    kind = "classification"
    activation = "softmax"

    def __init__(self, label_smoothing: float = 0.0, class_weights: Sequence[float] | None = None) -> None:
        if not 0.0 <= label_smoothing < 1.0:
            raise ConfigError(f"label_smoothing is at least 0 and below 1, got {label_smoothing}")
        if isinstance(class_weights, str):
            raise ConfigError("class_weights are numbers, one for each class: balanced_class_weights makes them")
        self.label_smoothing = label_smoothing
        self.class_weights = None if class_weights is None else np.array(class_weights, np.float64)

    def check(self, output_shape: Shape, classes: int | None, target_shape: Shape = ()) -> None:
        if classes is None:
            raise ShapeError("cross_entropy needs class labels, the targets are numbers: use mse, mae or huber")
        problems = []
        if output_shape != (classes,):
            problems.append(
                f"cross_entropy over {classes} classes needs {classes} units in the last layer, "
                f"it has {units(output_shape)}"
            )
        if self.class_weights is not None and len(self.class_weights) != classes:
            problems.append(f"cross_entropy has {len(self.class_weights)} class_weights for {classes} classes")
        if problems:
            raise ShapeError(problems)

    def __call__(self, outputs: Array, targets: Array, ctx: Context) -> tuple[float, int, Array]:
        rows, classes = outputs.shape
        gradient = ctx.buffer("loss.gradient", outputs.shape)
        row = ctx.buffer("loss.row", (rows, 1))
        losses = ctx.buffer("loss.losses", (rows, 1))
        picked = ctx.buffer("loss.picked", (rows,))
        at = ctx.buffer("loss.at", (rows,), np.int64)
        np.multiply(ctx.buffer("loss.range", (rows,), np.int64, _count_up), classes, out=at)
        np.add(at, targets, out=at)
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
        return float(np.add.reduce(losses, axis=None, dtype=np.float64)), rows, gradient


class BinaryCrossEntropy(Loss):
    """Logistic cross-entropy of `outputs` (n, k) and `targets` in 0..1.

    Targets are (n, k), or (n,) for one unit. The losses of a sample's k labels are averaged.
    `positive_weight` multiplies the loss of the positive ones.
    """

    name = "binary_cross_entropy"
    kind = "classification"
    activation = "sigmoid"

    def __init__(self, positive_weight: float = 1.0) -> None:
        if not positive_weight > 0.0:
            raise ConfigError(f"positive_weight is above 0, got {positive_weight}")
        self.positive_weight = positive_weight

    def check(self, output_shape: Shape, classes: int | None, target_shape: Shape = ()) -> None:
        if classes is not None and classes != 2:
            raise ShapeError(f"binary_cross_entropy needs 2 classes, the data has {classes}: use cross_entropy")
        wanted = target_shape or (1,)
        if output_shape != wanted:
            raise ShapeError(
                f"binary_cross_entropy needs a unit in the last layer for each label, {units(wanted)}, "
                f"it has {units(output_shape)}"
            )

    def __call__(self, outputs: Array, targets: Array, ctx: Context) -> tuple[float, int, Array]:
        labels = ctx.buffer("loss.labels", outputs.shape)
        weight = ctx.buffer("loss.weight", outputs.shape)
        losses = ctx.buffer("loss.losses", outputs.shape)
        gradient = ctx.buffer("loss.gradient", outputs.shape)
        scale = 1.0 / outputs.shape[1]
        np.copyto(labels, targets.reshape(outputs.shape), casting="same_kind")
        np.multiply(labels, self.positive_weight - 1.0, out=weight)
        np.add(weight, 1.0, out=weight)

        # With w = 1 + (positive_weight - 1) * label the loss is w * softplus(-z) + (1 - label) * z.
        np.absolute(outputs, out=losses)
        np.negative(losses, out=losses)
        np.exp(losses, out=losses)
        np.log1p(losses, out=losses)
        np.minimum(outputs, 0.0, out=gradient)
        np.subtract(losses, gradient, out=losses)
        np.multiply(losses, weight, out=losses)
        np.subtract(1.0, labels, out=labels)
        np.multiply(labels, outputs, out=gradient)
        np.add(losses, gradient, out=losses)

        np.negative(outputs, out=gradient)
        logistic(gradient, out=gradient)
        np.multiply(gradient, weight, out=gradient)
        np.subtract(labels, gradient, out=gradient)
        np.multiply(gradient, scale, out=gradient)
        return float(np.add.reduce(losses, axis=None, dtype=np.float64)) * scale, len(outputs), gradient


def balanced_class_weights(counts: Sequence[int]) -> tuple[float, ...]:
    """samples / (classes * samples of the class), so that classes weigh the same; 0 for absent ones."""
    total = sum(counts)
    return tuple(total / (len(counts) * count) if count else 0.0 for count in counts)


def _count_up(array: Array) -> None:
    array[:] = np.arange(len(array))
