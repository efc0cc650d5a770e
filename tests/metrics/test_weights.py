"""A row of weight w counts as w rows; one of weight 0 does not count."""

import numpy as np
import pytest

from dist_bp.components import metric
from dist_bp.metrics.best_threshold import BestThreshold
from dist_bp.metrics.two_classes import Decision
from tests.metrics.test_merge import ROWS, cases, describe

WEIGHTS = np.random.default_rng(5).integers(0, 4, ROWS)


@pytest.mark.parametrize(("name", "classes", "outputs", "targets"), cases(), ids=describe)
def test_whole_weights_repeat(name: str, classes: int | None, outputs: np.ndarray, targets: np.ndarray) -> None:
    measured = metric(name)
    weighted, repeated = measured.empty(), measured.empty()
    for part in np.array_split(np.arange(ROWS), 3):
        measured.update(weighted, outputs[part], targets[part], WEIGHTS[part].astype(np.float32))
    rows = np.repeat(np.arange(ROWS), WEIGHTS)
    measured.update(repeated, outputs[rows], targets[rows])
    np.testing.assert_allclose(measured.result(weighted), measured.result(repeated), rtol=1e-9)


@pytest.mark.parametrize(("name", "classes", "outputs", "targets"), cases(), ids=describe)
def test_only_the_ratio_of_weights_matters(
    name: str, classes: int | None, outputs: np.ndarray, targets: np.ndarray
) -> None:
    measured = metric(name)
    weights, results = np.random.default_rng(6).uniform(0.1, 2.0, ROWS), []
    for factor in (1.0, 1e-3):
        state = measured.empty()
        measured.update(state, outputs, targets, factor * weights)
        result = np.asarray(measured.result(state), np.float64)
        results.append(result / result.sum() if name == "confusion_matrix" else result)
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9)


def test_the_best_threshold_of_weighted_samples() -> None:
    """Two positives of little weight above a heavy negative are not worth being decided for."""
    outputs, labels = np.array([[2.0], [1.0], [0.5], [-1.0]]), np.array([1, 0, 1, 0])
    found = []
    for weights in (None, np.array([1.0, 10.0, 0.1, 1.0])):
        chooser = BestThreshold(metric("f1"), Decision())  # type: ignore[arg-type]
        state = chooser.empty()
        chooser.update(state, outputs, labels, weights)
        found.append(chooser.result(state))
    assert found[0] < 1 / (1 + np.exp(-0.5)) < 1 / (1 + np.exp(-1.0)) < found[1]
