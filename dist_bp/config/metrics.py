"""`metrics`: the names of metrics, and the monitors made of them."""

import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StringConstraints, TypeAdapter
from pydantic_core import PydanticCustomError

from dist_bp.components import METRICS, metric
from dist_bp.config.component import Of, construct
from dist_bp.errors import ConfigError
from dist_bp.types import Direction, Task


def metric_task(name: str) -> Task:
    """The kind of problem that the metric of this (valid) name measures."""
    return metric(name).kind


def metric_misfit(name: str, sequences: bool) -> str | None:
    """Why a metric does not go with a loss of `sequences` of labels, or with another one; None where it does."""
    if sequences and not metric(name).of_sequences:
        return f"{name} compares position by position, and ctc does not say where a label is: use label_error_rate"
    if not sequences and metric(name).of_sequences:
        return f"{name} compares sequences of labels, which go with the loss ctc"
    return None


def metrics_or_default(names: Iterable[str], task: Task, sequences: bool = False) -> tuple[str, ...]:
    """The metrics themselves, or, if there are none, what a task is measured by if nothing is said; `sequences` of
    labels have a measure of their own."""
    if sequences:
        return tuple(names) or ("label_error_rate",)
    return tuple(names) or (("accuracy",) if task == "classification" else ("r2",))


def monitor_names(metrics: Iterable[str]) -> tuple[str, ...]:
    """The values that can be watched when these metrics are measured: single numbers."""
    scalars = [one for one in map(metric, metrics) if one.scalar]
    return (
        "train_loss",
        "val_loss",
        *(f"val_{one.name}" for one in scalars),
        *(f"train_{one.name}" for one in scalars if one.on_training),
    )


def monitor_mode(monitor: str, mode: Direction | None = None) -> Direction:
    """Whether less or more of a monitor is better; `mode` as configured, None: told by the loss or the metric."""
    if mode is not None:
        return mode
    name = monitor.partition("_")[2]
    try:
        greater = name != "loss" and metric(name).greater_is_better
    except ConfigError:
        greater = True
    return "max" if greater else "min"


_AS_MAPPING = Annotated[Any, Of(METRICS)]
_PATTERNS = [re.sub(r"\?P<\w+>", "", found.pattern) for found in METRICS.classes().values() if found.pattern]
_AS_TEXT: Any = Literal[tuple(METRICS.rows)] | Annotated[str, StringConstraints(pattern=f"^({'|'.join(_PATTERNS)})$")]


def _metric_name(value: Any) -> str:
    """The canonical name: {type: top_k, k: 5} is top_5, {type: accuracy} is accuracy."""
    if isinstance(value, Mapping) and not (set(value) == {"type"} and isinstance(value["type"], str)):
        return construct(TypeAdapter(_AS_MAPPING).validate_python(value)).name  # type: ignore[no-any-return]
    name = value["type"] if isinstance(value, Mapping) else value
    try:
        return metric(name).name
    except (ConfigError, TypeError):
        raise PydanticCustomError("unknown_metric", "unknown metric", {"allowed": ", ".join(METRICS.rows)}) from None


MetricName = Annotated[str, BeforeValidator(_metric_name, json_schema_input_type=_AS_TEXT | _AS_MAPPING)]
