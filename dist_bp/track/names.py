"""Names of metrics: as the configuration has them, and as the tracker shows them, grouped.

A store shows the last value of a metric as the run's. So what a run gives back and the curve that led there are two:
`val_loss` is that of the best epoch so far, whose parameters are given back, `epoch/val_loss` that of each epoch.
MLflow's pages show names without a group last, below the curves.
"""

from collections.abc import Collection

from dist_bp.config.metrics import monitor_mode
from dist_bp.errors import UserError
from dist_bp.messages import did_you_mean
from dist_bp.types import Direction

EPOCH = "epoch/"
"""The group of the curves along the epochs."""

STEP = "step/"
"""The group of the curves along the steps."""

RECOVERY = "system/recovery_"
"""How the names begin of what is recorded of each recovery, at the step of its fault: steps may come again, in any
order."""

SPLITS = ("train_", "val_", "test_")


def curve_name(monitor: str) -> str:
    """The tracker's name of a monitored value of each epoch: val_loss is epoch/val_loss."""
    return EPOCH + monitor


def is_curve(name: str) -> bool:
    """Whether the last value of a metric says nothing of what a run gives back: it is one of many along the way."""
    return name.startswith((EPOCH, STEP))


def metric_named(name: str, known: Collection[str]) -> str:
    """The name; raises UserError where `known` does not have it."""
    if name in known:
        return name
    there = ", ".join(sorted(metric for metric in known if metric.startswith(SPLITS))) or "none"
    raise UserError(f"unknown metric {name!r}{did_you_mean(name, known)} (recorded here: {there})")


def tracked_mode(name: str) -> Direction:
    """Whether less or more of a metric is better, told by its name."""
    return monitor_mode(name.removeprefix(EPOCH).replace("/", "_", 1))
