"""Metrics of two classes, one of which is positive, and those that suit any number, against scikit-learn."""

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from dist_bp.components import METRICS, metric
from dist_bp.errors import ShapeError
from dist_bp.messages import nearest
from dist_bp.metrics import Metric
from dist_bp.metrics.two_classes import Decision

RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 2, 300)
ONE = (RANDOM.normal(size=(300, 1)) + LABELS[:, None]).round(1)  # with ties, 0 among them
TWO = np.hstack([RANDOM.normal(size=(300, 1)), ONE])
OUTPUTS = {"one unit": ONE, "two units": TWO}


def measure(measured: Metric, outputs: np.ndarray, targets: np.ndarray) -> Any:
    state = measured.empty()
    for part in (slice(0, 100), slice(100, None)):
        measured.update(state, outputs[part], targets[part])
    return measured.result(state)


def logits(outputs: np.ndarray) -> np.ndarray:
    """Of class 1 against class 0."""
    return outputs[:, 0] if outputs.shape[1] == 1 else outputs[:, 1] - outputs[:, 0]


@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.9])
@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("units", OUTPUTS)
def test_what_is_decided_agrees_with_scikit_learn(units: str, positive: int, threshold: float) -> None:
    outputs, decision = OUTPUTS[units], Decision(positive, threshold)
    probabilities = 1 / (1 + np.exp(logits(outputs) * (1 - 2 * positive)))
    decided = np.where(probabilities > threshold, positive, 1 - positive)
    if threshold == 0.5:
        decided = (logits(outputs) > 0).astype(int)  # a tie is class 0
    expected = {
        "precision": sk.precision_score(LABELS, decided, pos_label=positive),
        "recall": sk.recall_score(LABELS, decided, pos_label=positive),
        "f1": sk.f1_score(LABELS, decided, pos_label=positive),
        "balanced_accuracy": sk.balanced_accuracy_score(LABELS, decided),
        "matthews": sk.matthews_corrcoef(LABELS, decided),
        "accuracy": sk.accuracy_score(LABELS, decided),
        "f1_macro": sk.f1_score(LABELS, decided, average="macro"),
    }
    found = {name: measure(decision.seen_by(metric(name)), outputs, LABELS) for name in expected}
    assert found == pytest.approx(expected, rel=1e-12)
    matrix = measure(decision.seen_by(metric("confusion_matrix")), outputs, LABELS)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(LABELS, decided))


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("units", OUTPUTS)
def test_what_is_scored_agrees_with_scikit_learn(units: str, positive: int) -> None:
    outputs = OUTPUTS[units]
    scores = logits(outputs)
    found = measure(Decision(positive).seen_by(metric("average_precision")), outputs, LABELS)
    expected = sk.average_precision_score(LABELS, scores * (2 * positive - 1), pos_label=positive)
    assert found == pytest.approx(expected, rel=1e-12)
    loss = sk.log_loss(LABELS, 1 / (1 + np.exp(-scores)))
    assert measure(metric("log_loss"), outputs, LABELS) == pytest.approx(loss, rel=1e-12)


def test_several_classes_agree_with_scikit_learn() -> None:
    outputs, labels = RANDOM.normal(size=(300, 4)), RANDOM.integers(0, 3, 300)
    decided = outputs.argmax(axis=1)
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = sk.balanced_accuracy_score(labels, decided)
    assert measure(metric("balanced_accuracy"), outputs, labels) == pytest.approx(expected, rel=1e-12)
    expected = sk.matthews_corrcoef(labels, decided)
    assert measure(metric("matthews"), outputs, labels) == pytest.approx(expected, rel=1e-12)
    powers = np.exp(outputs)
    expected = sk.log_loss(labels, powers / powers.sum(axis=1, keepdims=True), labels=range(4))
    assert measure(metric("log_loss"), outputs, labels) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(ShapeError):
        measure(metric("average_precision"), outputs, labels)


def test_rmse_is_averaged_over_the_outputs() -> None:
    values = RANDOM.normal(size=(300, 2)) * [1, 100]
    found = measure(metric("rmse"), values + 1, values * 0.9)
    assert found == pytest.approx(sk.root_mean_squared_error(values * 0.9, values + 1), rel=1e-12)


def test_where_a_score_is_not_defined() -> None:
    none, wrong = np.zeros(5, int), np.array([[-1.0]] * 5)
    empty = [metric(name) for name in ("f1", "matthews", "rmse", "log_loss", "balanced_accuracy", "average_precision")]
    assert np.isnan([one.result(one.empty()) for one in empty]).all()
    assert np.isnan(measure(metric("average_precision"), np.resize(wrong, (300, 1)), np.resize(none, 300)))
    assert measure(metric("matthews"), ONE, np.zeros(300, int)) == 0.0
    found = [measure(metric(name), np.full((300, 1), -1.0), LABELS) for name in ("precision", "recall", "f1")]
    assert found == [0.0, 0.0, 0.0]
    assert metric("log_loss").result({"sum": np.zeros(1), "count": np.ones(1)}) == 0.0


def test_large_scores_do_not_overflow() -> None:
    outputs, labels = np.resize(np.array([[1e4], [-1e4]], np.float32), (300, 1)), np.resize([1, 0], 300)
    assert measure(metric("log_loss"), outputs, labels) == 0.0
    assert measure(metric("log_loss"), outputs, 1 - labels) == 1e4
    assert measure(Decision(0, 0.3).seen_by(metric("accuracy")), outputs, labels) == 1.0


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("auc", "roc_auc"), ("AUROC", "roc_auc"), ("pr_auc", "average_precision"), ("mcc", "matthews"),
        ("val_auc", "val_roc_auc"), ("f1_mcro", "f1_macro"), ("f1_mirco", "f1_micro"), ("precison", "precision"),
        ("f1score", "f1"), ("logloss", "log_loss"), ("f1_micr", "f1_micro"), ("precision_makro", "precision_macro"),
    ],
)  # fmt: skip
def test_a_word_for_two_classes_never_leads_to_a_micro_average(word: str, meant: str) -> None:
    names = [*METRICS.rows, "val_roc_auc"]
    assert nearest(word, names) == meant
    without = [name for name in names if name not in ("f1", "precision", "recall")]
    for two_class in ("f1", "precision", "recall"):
        assert "micro" not in str(nearest(two_class, without))
