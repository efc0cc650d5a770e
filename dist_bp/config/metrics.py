"""`metrics`: the names of metrics, and the monitors made of them."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from dist_bp.config.sources import Task

METRIC_TASKS: dict[str, Task] = {
    "accuracy": "classification",
    "top_k": "classification",
    "precision_macro": "classification",
    "precision_micro": "classification",
    "recall_macro": "classification",
    "recall_micro": "classification",
    "f1_macro": "classification",
    "f1_micro": "classification",
    "confusion_matrix": "classification",
    "roc_auc": "classification",
    "mse": "regression",
    "mae": "regression",
    "r2": "regression",
}
_TOP_K = re.compile(r"top_([1-9][0-9]*)")

Mode = Literal["min", "max"]


def metric_task(name: str) -> Task:
    """The kind of problem that the metric of this (valid) name measures."""
    return METRIC_TASKS["top_k" if _TOP_K.fullmatch(name) else name]


def metrics_or_default(names: Iterable[str], task: Task) -> tuple[str, ...]:
    """The metrics themselves, or, if there are none, what a task is measured by if nothing is said."""
    return tuple(names) or (("accuracy",) if task == "classification" else ("r2",))


def monitor_names(metrics: Iterable[str]) -> tuple[str, ...]:
    """The values that can be watched when these metrics are measured.

    The confusion matrix is no single number, and roc_auc is not measured on the training split.
    """
    scalars = [name for name in metrics if name != "confusion_matrix"]
    on_training = [name for name in scalars if name != "roc_auc"]
    return (
        "train_loss",
        "val_loss",
        *(f"val_{name}" for name in scalars),
        *(f"train_{name}" for name in on_training),
    )


def monitor_mode(monitor: str, mode: Mode | None = None) -> Mode:
    """Whether less or more of a monitor is better; `mode` as configured, None: told by the monitor's name."""
    if mode is not None:
        return mode
    return "min" if monitor.partition("_")[2] in ("loss", "mse", "mae") else "max"


def _metric_name(value: Any) -> str:
    """The canonical name: {type: top_k, k: 5} is top_5, {type: accuracy} is accuracy."""
    if isinstance(value, Mapping):
        if value.get("type") == "top_k" and set(value) <= {"type", "k"}:
            k = value.get("k", 5)
            if isinstance(k, int) and not isinstance(k, bool) and k >= 1:
                return f"top_{k}"
            raise ValueError(f"top_k needs a whole number k of at least 1, got {k!r}")
        if set(value) == {"type"}:
            value = value["type"]
    if value == "top_k":
        return "top_5"
    if isinstance(value, str) and (value in METRIC_TASKS or _TOP_K.fullmatch(value)):
        return value
    raise PydanticCustomError("unknown_metric", "unknown metric", {"allowed": ", ".join(METRIC_TASKS)})


MetricName = Annotated[
    str,
    BeforeValidator(_metric_name),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(METRIC_TASKS)},
                {"type": "string", "pattern": f"^{_TOP_K.pattern}$"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"enum": list(METRIC_TASKS)},
                        "k": {
                            "type": "integer",
                            "minimum": 1,
                            "description": "How many guesses (top_k only).",
                        },
                    },
                    "required": ["type"],
                    "additionalProperties": False,
                },
            ]
        }
    ),
]
