"""Decisions: classes by the largest logit, or each label by the sign of its logit."""

import numpy as np

from dist_bp.metrics.base import misfit
from dist_bp.types import Array


def decide(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """What the network says and what is true.

    Logits (n, k) with labels (n,): classes, two int arrays (n,). One unit (n, 1) with labels {0, 1}: the
    same, class 1 where the logit is positive. Logits (n, k) with targets (n, k): k labels of their own, two
    bool arrays (n, k).
    """
    rows, units = outputs.shape
    if units == 1 and targets.shape in ((rows,), (rows, 1)):
        return (outputs.ravel() > 0).astype(np.int64), targets.ravel().astype(np.int64, copy=False)
    if targets.shape == (rows,):
        return outputs.argmax(axis=1), targets
    if targets.shape == outputs.shape:
        return outputs > 0, targets > 0.5
    raise misfit(outputs, targets)
