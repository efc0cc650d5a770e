import numpy as np
import pytest

from dist_bp.components import metric
from dist_bp.errors import ConfigError, ShapeError
from dist_bp.metrics.top_k import TopK

CLASSIFICATION = [
    "accuracy", "top_3", "precision_macro", "precision_micro", "recall_macro", "recall_micro", "f1_macro",
    "f1_micro", "confusion_matrix", "roc_auc", "precision", "recall", "f1", "balanced_accuracy", "matthews", "log_loss",
    "average_precision", "perplexity", "bits_per_character", "label_error_rate",
]  # fmt: skip
LESS_IS_BETTER = ("log_loss", "perplexity", "bits_per_character", "label_error_rate")
REGRESSION = ["mse", "mae", "rmse", "r2"]


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_names_of_classification(name: str) -> None:
    assert metric(name).name == name
    assert metric(name).kind == "classification"
    assert metric(name).greater_is_better == (name not in LESS_IS_BETTER)


@pytest.mark.parametrize("name", REGRESSION)
def test_names_of_regression(name: str) -> None:
    assert metric(name).name == name
    assert metric(name).kind == "regression"
    assert metric(name).greater_is_better == (name == "r2")


def test_only_scalars_of_small_state_are_followed_in_training() -> None:
    costly = [name for name in CLASSIFICATION if not metric(name).on_training]
    assert costly == ["confusion_matrix", "roc_auc", "average_precision", "label_error_rate"]
    assert [name for name in CLASSIFICATION if not metric(name).scalar] == ["confusion_matrix"]


def test_top_k_takes_its_k() -> None:
    assert metric("top_2") == TopK(2)
    assert metric("top_k").name == "top_5"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"there is no metric 'acuracy'") as caught:
        metric("acuracy")
    assert all(name in str(caught.value) for name in [*CLASSIFICATION, *REGRESSION] if name != "top_3")


def test_top_k_needs_that_many_classes() -> None:
    with pytest.raises(ShapeError, match="top_4 is not defined for 3 classes"):
        metric("top_4").update(metric("top_4").empty(), np.zeros((2, 3)), np.zeros(2, np.int64))
    with pytest.raises(ConfigError, match="there is no metric 'top_0'"):
        metric("top_0")
