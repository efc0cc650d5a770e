"""The loss of a prediction that ignores the inputs: a network that ends far above it has learnt worse than nothing."""

import math
from collections.abc import Mapping

import numpy as np

from dist_bp.nn import Context
from dist_bp.signals import Field
from dist_bp.train.setup import PreparedJob
from dist_bp.types import Array

FAR = 1.2
"""So many times that loss is no longer chance, nor the noise of a small split."""
BLOCK = 2**14


def remark(job: PreparedJob, metrics: Mapping[str, float]) -> str | None:
    """A line where the loss among the `metrics` of a run is far above that of predicting the mean, or the frequencies
    of the classes, whatever the inputs; None where it is not, or where the loss says nothing about that."""
    split, prefix = ("validation", "val") if "validation" in job.splits else ("train", "train")
    reached = metrics.get(f"{prefix}_loss", math.nan)
    least = baseline_loss(job, split)
    if least is None or not least > 0 or not reached > FAR * least:
        return None
    what = "the mean" if job.prepared.schema.task == "regression" else "the classes' frequencies"
    told = f"{prefix}_loss {reached:.4g} is {reached / least:.1f} times the {least:.4g} of predicting {what}"
    learnt = prefix == "val" and metrics.get("train_loss", math.inf) < least
    return f"{told}: {_by_heart(job) if learnt else _nothing(job)}"


def baseline_loss(job: PreparedJob, split: str) -> float | None:
    """The loss over a split of the one output that suits the training split best, None where that is not known."""
    outputs = _constant(job)
    if outputs is None:
        return None
    context, total, weight = Context.root(job.model.dtype), 0.0, 0.0
    context.begin(training=False)
    targets, weights = job.prepared.split(split).flat_targets
    for start in range(0, len(targets), BLOCK):
        block = targets[start : start + BLOCK]
        same = np.ascontiguousarray(np.broadcast_to(outputs, (len(block), len(outputs))))
        found = job.loss(same, block, context, None if weights is None else weights[start : start + BLOCK])
        total += found.total
        weight += found.weight
    return total / weight


def _constant(job: PreparedJob) -> Array | None:
    """The mean of the targets, or the frequencies of the classes as scores: an output (units,)."""
    loss, schema = job.loss, job.prepared.schema
    targets, weights = job.prepared.split("train").flat_targets
    least = 0.5 / len(targets)
    if loss.activation == "softmax" and schema.classes:
        counts = np.bincount(targets, weights, minlength=len(schema.classes))
        scores: Array = np.log(np.maximum(counts / counts.sum(), least))
    elif loss.activation == "sigmoid":
        mean = np.average(targets.reshape(len(targets), -1), axis=0, weights=weights)
        mean = np.clip(mean, least, 1 - least)
        scores = np.log(mean) - np.log1p(-mean)
    elif schema.task == "regression":
        scores = np.average(targets.astype(np.float64), axis=0, weights=weights)
    else:
        return None
    return scores.astype(job.model.dtype) if scores.shape == job.model.output.shape[-1:] else None


def _nothing(job: PreparedJob) -> str:
    steps = {step.type for step in job.config.data.preprocess}
    scaled = bool(steps & {"standardize", "min_max"})
    remedy = "train longer, or with a lower train.optimizer.learning_rate"
    inputs = job.prepared.schema.inputs
    numbers = any(one.kind == "float" for one in ([inputs] if isinstance(inputs, Field) else inputs.values()))
    return remedy if scaled or not numbers else f"{remedy}, or add {{type: standardize}} to data.preprocess"


def _by_heart(job: PreparedJob) -> str:
    patience = job.config.train.stop.patience is not None
    remedy = "" if patience else "set train.stop.patience, or "
    return f"the network has learnt the training split by heart: {remedy}use a smaller one, dropout or weight decay"
