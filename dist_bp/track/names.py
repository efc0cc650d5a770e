"""Names of metrics: as the configuration has them, and as the tracker shows them, grouped."""

from collections.abc import Collection

from dist_bp.config.metrics import monitor_mode
from dist_bp.errors import UserError
from dist_bp.messages import did_you_mean
from dist_bp.types import Direction

EPOCH_LOSS = "train/epoch_loss"
SPLITS = ("train/", "val/", "test_")


def tracked_name(monitor: str) -> str:
    """The tracker's name of a monitored value: train_loss is train/epoch_loss, val_accuracy is val/accuracy.

    What is measured once, on the test split, keeps its name: MLflow's pages show names without a group last, below the
    curves.
    """
    split, _, metric = monitor.partition("_")
    if split == "test":
        return monitor
    return EPOCH_LOSS if monitor == "train_loss" else f"{split}/{metric}"


def metric_named(name: str, known: Collection[str]) -> str:
    """The tracker's name of a metric that is called by either name; raises UserError where `known` does not have it."""
    for candidate in (name, tracked_name(name)):
        if candidate in known:
            return candidate
    there = ", ".join(sorted(metric for metric in known if metric.startswith(SPLITS))) or "none"
    raise UserError(f"unknown metric {name!r}{did_you_mean(tracked_name(name), known)} (recorded here: {there})")


def tracked_mode(name: str) -> Direction:
    """Whether less or more of a metric is better, told by the tracker's name of it."""
    return monitor_mode("train_loss" if name in (EPOCH_LOSS, "train/loss") else name.replace("/", "_", 1))
