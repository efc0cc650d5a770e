"""Any way of cutting the samples into batches and workers gives the same result."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dist_bp.components import metric
from dist_bp.metrics import Metric
from dist_bp.metrics.base import State

ROWS, CLASSES = 60, 4
COUNTED = ["accuracy", "precision_macro", "recall_micro", "f1_macro", "roc_auc"]
CLASSIFICATION = [*COUNTED, "top_2", "confusion_matrix", "balanced_accuracy", "matthews"]
TWO_CLASSES = ["precision", "recall", "f1", "average_precision"]
SUMMED = ["log_loss", "perplexity", "bits_per_character"]
VALUES = ["mse", "mae", "rmse", "r2"]

cuts = st.lists(st.integers(0, ROWS), max_size=5).map(sorted)
splits = st.lists(cuts, min_size=1, max_size=4)


def accumulate(measured: Metric, outputs: np.ndarray, targets: np.ndarray, cuts: list[int]) -> State:
    state = measured.empty()
    for output, target in zip(np.split(outputs, cuts), np.split(targets, cuts), strict=True):
        measured.update(state, output, target)
    return state


def merged(
    measured: Metric, outputs: np.ndarray, targets: np.ndarray, splits: list[list[int]], order: list[int]
) -> State:
    """Worker i has every len(splits)-th sample from i on, in batches cut at splits[i]."""
    states = [accumulate(measured, outputs[i :: len(splits)], targets[i :: len(splits)], splits[i]) for i in order]
    total = measured.empty()
    for state in states:
        total = measured.merge(total, state)
    return total


def logits(columns: int) -> np.ndarray:
    return np.random.default_rng(columns).integers(-3, 4, (ROWS, columns)).astype("float32")


def describe(value: str | int | np.ndarray | None) -> str:
    return "x".join(map(str, value.shape)) if isinstance(value, np.ndarray) else str(value)


def cases() -> list[tuple[str, int | None, np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(0)
    labels, flags = generator.integers(0, CLASSES, ROWS), generator.integers(0, 2, (ROWS, CLASSES))
    values = generator.normal(1e6, 1.0, (ROWS, 2))
    return [
        *((name, CLASSES, logits(CLASSES), labels) for name in (*CLASSIFICATION, *SUMMED)),
        *((name, 2, logits(1), flags[:, 0]) for name in (*COUNTED, *TWO_CLASSES)),
        *((name, CLASSES, logits(CLASSES), flags.astype("float32")) for name in COUNTED),
        *((name, None, values + generator.standard_normal((ROWS, 2)), values) for name in VALUES),
    ]


@pytest.mark.parametrize(("name", "classes", "outputs", "targets"), cases(), ids=describe)
@settings(max_examples=25, deadline=None)
@given(splits=splits, data=st.data())
def test_merged_equals_whole(
    name: str,
    classes: int | None,
    outputs: np.ndarray,
    targets: np.ndarray,
    splits: list[list[int]],
    data: st.DataObject,
) -> None:
    measured = metric(name)
    order = data.draw(st.permutations(range(len(splits))))
    whole = measured.result(accumulate(measured, outputs, targets, []))
    result = measured.result(merged(measured, outputs, targets, splits, order))
    if name in (*SUMMED, *VALUES):
        assert result == pytest.approx(whole, rel=1e-9)
    else:
        np.testing.assert_array_equal(result, whole)


@pytest.mark.parametrize(("name", "classes", "outputs", "targets"), cases(), ids=describe)
def test_merging_leaves_its_arguments_alone(
    name: str, classes: int | None, outputs: np.ndarray, targets: np.ndarray
) -> None:
    measured = metric(name)
    first, second = (accumulate(measured, outputs[part], targets[part], []) for part in (slice(20), slice(20, 60)))
    before = measured.result(first), measured.result(second)
    total = measured.merge(first, second)
    measured.update(total, outputs, targets)
    np.testing.assert_equal((measured.result(first), measured.result(second)), before)


@pytest.mark.parametrize(("name", "classes", "outputs", "targets"), cases(), ids=describe)
def test_states_are_plain_arrays(name: str, classes: int | None, outputs: np.ndarray, targets: np.ndarray) -> None:
    measured = metric(name)
    for state in (measured.empty(), accumulate(measured, outputs, targets, [7, 30])):
        assert all(type(array) is np.ndarray and array.dtype != object for array in state.values())
