"""From a metric's name in the configuration to the metric."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from dist_bp.errors import ConfigError
from dist_bp.metrics.base import Metric
from dist_bp.metrics.classification import F1, Accuracy, ConfusionMatrix, Precision, Recall, TopK
from dist_bp.metrics.regression import R2, MeanAbsoluteError, MeanSquaredError
from dist_bp.metrics.roc_auc import RocAuc


def _top_k(classes: int, k: int = 5) -> TopK:
    if not 1 <= k <= classes:
        raise ConfigError(f"top_{k} is not defined for {classes} classes: k must lie between 1 and {classes}")
    return TopK(k)


_CLASSIFICATION: dict[str, Callable[..., Metric]] = {
    "accuracy": lambda classes: Accuracy(),
    "top_k": _top_k,
    "precision_macro": lambda classes: Precision(classes, "macro"),
    "precision_micro": lambda classes: Precision(classes, "micro"),
    "recall_macro": lambda classes: Recall(classes, "macro"),
    "recall_micro": lambda classes: Recall(classes, "micro"),
    "f1_macro": lambda classes: F1(classes, "macro"),
    "f1_micro": lambda classes: F1(classes, "micro"),
    "confusion_matrix": ConfusionMatrix,
    "roc_auc": lambda classes: RocAuc(),
}
_REGRESSION: dict[str, Callable[[], Metric]] = {"mse": MeanSquaredError, "mae": MeanAbsoluteError, "r2": R2}


def metric(choice: str | Mapping[str, Any], classes: int | None = None) -> Metric:
    """The metric called `choice`: a name, "top_5", or {"type": "top_k", "k": 5}.

    `classes` is the number of classes (or labels a sample) of a classification, None for a regression.
    Raises ConfigError for an unknown name or option and for a metric of the other kind of targets.
    """
    options = {"type": choice} if isinstance(choice, str) else dict(choice)
    name = str(options.pop("type", None))
    if top := re.fullmatch(r"top_(\d+)", name):
        name, options = "top_k", {"k": int(top[1]), **options}
    if name not in _CLASSIFICATION and name not in _REGRESSION:
        raise ConfigError(f"there is no metric {name!r}: choose from {_names(_CLASSIFICATION, _REGRESSION)}")
    if unknown := options.keys() - ({"k"} if name == "top_k" else set()):
        raise ConfigError(f"the metric {name} has no option {', '.join(sorted(unknown))}")
    if name in _REGRESSION:
        if classes is not None:
            raise ConfigError(f"the metric {name} measures values, not classes: {_names(_CLASSIFICATION)} do")
        return _REGRESSION[name]()
    if classes is None:
        raise ConfigError(f"the metric {name} measures classes, not values: {_names(_REGRESSION)} do")
    return _CLASSIFICATION[name](classes, **options)


def _names(*tables: Mapping[str, Any]) -> str:
    return ", ".join(name for table in tables for name in table)
