import pytest

from dist_bp.errors import ConfigError
from dist_bp.metrics import TopK, metric

CLASSIFICATION = [
    "accuracy", "top_3", "precision_macro", "precision_micro", "recall_macro", "recall_micro", "f1_macro",
    "f1_micro", "confusion_matrix", "roc_auc",
]  # fmt: skip
REGRESSION = ["mse", "mae", "r2"]


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_names_of_classification(name: str) -> None:
    assert metric(name, classes=7).name == name
    assert metric({"type": name}, classes=7) == metric(name, classes=7)
    assert metric(name, classes=7).kind == "classification"
    assert metric(name, classes=7).greater_is_better


@pytest.mark.parametrize("name", REGRESSION)
def test_names_of_regression(name: str) -> None:
    assert metric(name).name == name
    assert metric(name).kind == "regression"
    assert metric(name).greater_is_better == (name == "r2")


def test_only_scalars_of_small_state_are_followed_in_training() -> None:
    costly = [name for name in CLASSIFICATION if not metric(name, classes=7).on_training]
    assert costly == ["confusion_matrix", "roc_auc"]


def test_top_k_takes_its_k() -> None:
    assert metric({"type": "top_k", "k": 2}, classes=3) == metric("top_2", classes=3) == TopK(2)
    assert metric("top_k", classes=10).name == "top_5"


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"there is no metric 'acuracy'") as caught:
        metric("acuracy", classes=3)
    assert all(name in str(caught.value) for name in [*CLASSIFICATION, *REGRESSION] if name != "top_3")


@pytest.mark.parametrize("k", [0, 4])
def test_top_k_needs_that_many_classes(k: int) -> None:
    with pytest.raises(ConfigError, match=f"top_{k} is not defined for 3 classes"):
        metric(f"top_{k}", classes=3)


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ConfigError, match="the metric accuracy has no option k"):
        metric({"type": "accuracy", "k": 3}, classes=3)


def test_the_other_kind_of_targets_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"mse measures values, not classes: accuracy, .* do"):
        metric("mse", classes=3)
    with pytest.raises(ConfigError, match=r"accuracy measures classes, not values: mse, mae, r2 do"):
        metric("accuracy")
