"""Which values can be watched, and in which direction."""

import pytest

from dist_bp.config import metrics_or_default, monitor_mode
from dist_bp.config.metrics import metric_task, monitor_names


@pytest.mark.parametrize(
    ("monitor", "mode"),
    [
        ("val_loss", "min"),
        ("train_loss", "min"),
        ("val_mse", "min"),
        ("train_mae", "min"),
        ("val_r2", "max"),
        ("val_accuracy", "max"),
        ("val_top_5", "max"),
    ],
)
def test_direction(monitor, mode):
    assert monitor_mode(monitor) == mode
    assert monitor_mode(monitor, "min") == "min"
    assert monitor_mode(monitor, "max") == "max"


def test_only_single_numbers_are_watched():
    assert monitor_names(["accuracy", "confusion_matrix", "roc_auc"]) == (
        "train_loss",
        "val_loss",
        "val_accuracy",
        "val_roc_auc",
        "train_accuracy",
    )


def test_default_metrics():
    assert metrics_or_default([], "classification") == ("accuracy",)
    assert metrics_or_default([], "regression") == ("r2",)
    assert metrics_or_default(["mae"], "regression") == ("mae",)
    assert metric_task("mae") == "regression"
