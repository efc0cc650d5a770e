"""The threshold that a metric chooses is the best of all, as trying each of them with scikit-learn shows."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from dist_bp.components import metric
from dist_bp.metrics.best_threshold import THRESHOLD, BestThreshold, at_threshold
from dist_bp.metrics.two_classes import Decision

SCORES: dict[str, Any] = {
    "f1": lambda true, decided: sk.f1_score(true, decided, zero_division=0),
    "balanced_accuracy": sk.balanced_accuracy_score,
    "matthews": sk.matthews_corrcoef,
}


def chooser(by: str, positive: int = 1) -> BestThreshold:
    return BestThreshold(metric(by), Decision(positive))  # type: ignore[arg-type]


def chosen(by: str, outputs: Any, labels: Any, positive: int = 1) -> float:
    one = chooser(by, positive)
    state = one.empty()
    one.update(state, np.asarray(outputs, np.float32).reshape(len(labels), -1), np.asarray(labels))
    return one.result(state)


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("by", SCORES)
@settings(max_examples=10)
@given(seed=st.integers(0, 10**6), rows=st.integers(4, 30))
def test_no_threshold_is_better(by: str, positive: int, seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    labels = np.append([0, 1], random.integers(0, 2, rows))
    outputs = (random.normal(size=(rows + 2, 1)) + labels[:, None]).round(1).astype(np.float32)
    decision = Decision(positive)
    probabilities = decision.probabilities(outputs)
    true = labels == positive
    tried = [SCORES[by](true, probabilities > cut) for cut in (0.0, *probabilities)]
    threshold = chosen(by, outputs, labels, positive)
    assert 0 < threshold < 1
    assert SCORES[by](true, probabilities > threshold) == pytest.approx(max(tried), abs=1e-12)


def test_two_units_are_as_one() -> None:
    labels, logits = [0, 1, 0, 1, 1], np.array([-2.0, 1.0, 0.5, 3.0, 0.25])
    two = np.stack([np.ones(5), logits + 1], axis=1)
    assert chosen("f1", two, labels) == chosen("f1", logits, labels)


def test_of_equally_good_ones_the_next_to_a_half_is_taken() -> None:
    threshold = chosen("f1", [-3.0, -2.0, 2.0, 3.0], [0, 0, 1, 1])
    assert threshold == pytest.approx(0.5)


def test_probabilities_of_0_and_1_cannot_be_told_apart() -> None:
    outputs, labels = [-900.0, -800.0, 800.0, 900.0], [1, 0, 1, 0]
    threshold = chosen("f1", outputs, labels)
    assert 0 <= threshold < 1
    assert Decision(1, threshold).classes(np.array([0.0, 0.0, 1.0, 1.0])).tolist() == [0, 0, 1, 1]
    assert np.isnan(chooser("f1").result(chooser("f1").empty()))


def test_what_is_decided_is_measured_at_it() -> None:
    outputs = np.array([[-2.0], [-1.0], [-0.5], [-3.0]])
    labels = np.array([0, 1, 1, 0])
    metrics = {"accuracy": metric("accuracy"), "log_loss": metric("log_loss"), THRESHOLD: chooser("f1")}
    states = {name: one.empty() for name, one in metrics.items()}
    for name, state in states.items():
        metrics[name].update(state, outputs, labels)
    found = at_threshold(states, metrics)
    assert list(found) == ["accuracy", "log_loss", THRESHOLD]
    assert found["accuracy"] == 1.0
    assert found["log_loss"] == metrics["log_loss"].result(states["log_loss"])
    given_one = at_threshold(states, metrics, 0.35)
    assert given_one == {"accuracy": 0.75, "log_loss": found["log_loss"]}
