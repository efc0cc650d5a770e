"""From the outputs for two classes to one of them, where that is not simply the likelier one."""

from dataclasses import dataclass

import numpy as np

from dist_bp.metrics.base import Metric, misfit
from dist_bp.metrics.decisions import decide
from dist_bp.metrics.viewed import Viewed
from dist_bp.types import Array


def margins(outputs: Array, targets: Array | None = None) -> Array:
    """The logits (n,) in float64 of class 1 against class 0, of outputs (n, 1) or (n, 2).

    Raises ShapeError for others, or where `targets` are no labels (n,) or (n, 1).
    """
    rows, units = outputs.shape
    if units > 2 or (targets is not None and targets.shape not in ((rows,), (rows, 1))):
        raise misfit(outputs, outputs if targets is None else targets)
    scores = outputs.astype(np.float64)
    return scores[:, 1] - scores[:, 0] if units == 2 else scores[:, 0]


@dataclass(frozen=True)
class Decision:
    """Which of two classes is the positive one, and from which probability on a sample is taken for it."""

    positive: int = 1
    threshold: float = 0.5

    @property
    def is_plain(self) -> bool:
        """Whether the likelier class is taken."""
        return self.threshold == 0.5

    def probabilities(self, outputs: Array) -> Array:
        """Those of the positive class, (n,) in float64."""
        logits = margins(outputs) if self.positive == 1 else -margins(outputs)
        return np.exp(-np.logaddexp(0.0, -logits))

    def classes(self, probabilities: Array) -> Array:
        """The class (n,), 0 or 1, for each probability of the positive one."""
        return np.where(probabilities > self.threshold, self.positive, 1 - self.positive)

    def seen_by(self, metric: Metric) -> Metric:
        """The metric as it sees what is decided, and the positive class."""
        if metric.of_positive and self.positive == 0:
            return Viewed(Viewed(metric, self.turned), self.decided) if metric.decides else Viewed(metric, self.turned)
        return metric if self.is_plain or not metric.decides else Viewed(metric, self.decided)

    def decided(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """A view of outputs that are decided: one unit (n, 1), above 0 for class 1."""
        likelier, true = decide(outputs, targets)
        return as_outputs(likelier if self.is_plain else self.classes(self.probabilities(outputs))), true

    def turned(self, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """A view in which the positive class is class 1."""
        if self.positive == 1:
            return outputs, targets
        return (-outputs if outputs.shape[1] == 1 else outputs[:, ::-1]), 1 - targets


def as_outputs(classes: Array) -> Array:
    """Outputs (n, 1) for which these classes, 0 or 1, are decided."""
    return np.where(classes == 1, 1.0, -1.0)[:, np.newaxis]
