"""The loss of sequences of labels that are not aligned with the positions."""

from typing import Annotated, Literal

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.messages import plural
from dist_bp.nn.context import Context
from dist_bp.nn.losses.alignments import Labels, align
from dist_bp.nn.losses.base import Loss, LossSum, units
from dist_bp.options import Doc
from dist_bp.signals import Field, Signal, with_lengths
from dist_bp.types import Array


class Ctc(Loss):
    """Connectionist temporal classification: labels in order, at positions that nobody has told.

    -log of the probability of all ways to spell the labels by the outputs: a unit for each class and a last one, the
    blank; repeated ones count once, blanks not (Graves et al. 2006). The mean is that per label: the sum over the
    samples is divided by how many labels there are, but for those of samples that are skipped.
    """

    name = "ctc"
    kind = "classification"
    activation = "ctc"

    def __init__(
        self,
        too_long: Annotated[
            Literal["error", "skip"],
            Doc("What is done about a sample with more labels than its positions can spell; `skip`: it is left out."),
        ] = "error",
    ) -> None:
        self.too_long = too_long

    def check(self, output: Field, target: Field) -> None:
        if target.count is None:
            raise ShapeError("ctc needs class labels, the targets are numbers: use mse, mae or huber")
        if len(target.shape) + target.ragged != 1:
            raise ShapeError(f"ctc needs a sequence of labels for each sample, a target is {target}: use cross_entropy")
        if len(output.shape) + output.ragged != 2:
            raise ShapeError(f"ctc needs an output for each position of a sample, the last layer gives {output}")
        if output.shape[-1] != target.count + 1:
            raise ShapeError(
                f"ctc over {plural(target.count, 'class')} needs {plural(target.count + 1, 'unit')} in the last layer, "
                f"the last one for the blank, it has {units(output.shaped(output.shape[-1:]))}"
            )

    def __call__(self, outputs: Signal, targets: Signal, ctx: Context, weights: Array | None = None) -> LossSum:
        values, lengths = with_lengths(outputs)
        labels = Labels(*with_lengths(targets))
        spelled = labels.needed <= lengths
        if self.too_long == "error" and not spelled.all():
            raise _cannot_spell(int(np.argmin(spelled)), labels, lengths)
        scores = ctx.buffer("loss.scores", values.shape, np.float64)
        gradient = ctx.buffer("loss.exact", values.shape, np.float64)
        _log_softmax(values, scores, gradient, ctx)
        total, parts = align(scores, lengths, labels, ctx)
        np.subtract(gradient, parts, out=gradient)
        factors = spelled if weights is None else spelled * weights.astype(np.float64)
        there = np.arange(values.shape[1]) < lengths[:, np.newaxis]
        np.multiply(gradient, (there * factors[:, np.newaxis])[:, :, np.newaxis], out=gradient)
        own = ctx.buffer("loss.gradient", values.shape)
        np.copyto(own, gradient, casting="same_kind")
        return LossSum(float(-np.dot(total[spelled], factors[spelled])), float((labels.counts * factors).sum()), own)


def _log_softmax(values: Array, scores: Array, probabilities: Array, ctx: Context) -> None:
    row = ctx.buffer("loss.sums", (*values.shape[:-1], 1), np.float64)
    np.copyto(scores, values)
    np.maximum.reduce(scores, axis=-1, keepdims=True, out=row)
    np.subtract(scores, row, out=scores)
    np.exp(scores, out=probabilities)
    np.add.reduce(probabilities, axis=-1, keepdims=True, out=row)
    np.divide(probabilities, row, out=probabilities)
    np.subtract(scores, np.log(row, out=row), out=scores)


def _cannot_spell(sample: int, labels: Labels, lengths: Array) -> ShapeError:
    count, needed = int(labels.counts[sample]), int(labels.needed[sample])
    repeated = f", {needed - count} of them like the one before" if needed > count else ""
    shown = ", ".join(map(str, labels.values[sample, : min(count, 10)].tolist())) + (", ..." if count > 10 else "")
    return ShapeError(
        f"ctc: sample {sample} of a batch has {plural(count, 'label')}{repeated} ({shown}), which take {needed} "
        f"positions, and the last layer gives {lengths[sample]}: let it give more, or set too_long: skip"
    )
