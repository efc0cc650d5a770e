import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from dist_bp.metrics.roc_auc import RocAuc


def measure(outputs: np.ndarray, targets: np.ndarray, batch: int = 7) -> float:
    measured = RocAuc()
    state = measured.empty()
    for start in range(0, len(outputs), batch):
        measured.update(state, outputs[start : start + batch], targets[start : start + batch])
    return measured.result(state)


def softmax(outputs: np.ndarray) -> np.ndarray:
    scores = np.exp(outputs.astype(float))
    return scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("levels", [2, 5, 1000])
def test_one_logit_with_ties(levels: int) -> None:
    generator = np.random.default_rng(levels)
    outputs = generator.integers(0, levels, (150, 1)).astype("float32")
    targets = (outputs[:, 0] + generator.normal(0, levels / 2, 150) > levels / 2).astype(np.int64)
    assert measure(outputs, targets) == pytest.approx(roc_auc_score(targets, outputs[:, 0]), rel=1e-14)
    assert measure(outputs, targets[:, None]) == measure(outputs, targets)


def test_two_classes_equal_the_difference_of_their_logits() -> None:
    generator = np.random.default_rng(1)
    outputs, targets = generator.standard_normal((150, 2)), generator.integers(0, 2, 150)
    wanted = roc_auc_score(targets, outputs[:, 1] - outputs[:, 0])
    assert measure(outputs, targets) == pytest.approx(wanted, rel=1e-14)


def test_several_classes_one_against_the_rest() -> None:
    generator = np.random.default_rng(2)
    targets = generator.integers(0, 5, 200)
    outputs = (generator.normal(0, 2, (200, 5)) + 2 * np.eye(5)[targets]).astype("float32")
    wanted = roc_auc_score(targets, softmax(outputs), multi_class="ovr", average="macro")
    assert measure(outputs, targets) == pytest.approx(wanted, rel=1e-14)


def test_several_labels_a_sample() -> None:
    generator = np.random.default_rng(3)
    outputs = generator.standard_normal((200, 4)).astype("float32")
    targets = (generator.random((200, 4)) < 0.3).astype("float32")
    assert measure(outputs, targets) == pytest.approx(roc_auc_score(targets, outputs), rel=1e-14)


def test_a_class_that_does_not_occur_is_left_out() -> None:
    generator = np.random.default_rng(4)
    outputs, targets = generator.standard_normal((100, 3)), generator.integers(0, 2, 100)
    areas = [roc_auc_score(targets == label, softmax(outputs)[:, label]) for label in (0, 1)]
    assert measure(outputs, targets) == pytest.approx(np.mean(areas), rel=1e-14)


def test_one_class_alone_has_no_area() -> None:
    assert math.isnan(measure(np.zeros((3, 1)), np.ones(3, np.int64)))
    assert math.isnan(measure(np.zeros((0, 1)), np.zeros(0, np.int64)))


def test_large_logits_stay_finite() -> None:
    outputs, targets = np.array([[1e4, 0.0, -1e4], [0.0, 1e4, 0.0], [0.0, 0.0, 1e4]]), np.arange(3)
    assert measure(outputs, targets) == 1.0
