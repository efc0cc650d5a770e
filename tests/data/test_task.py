from typing import Any

import numpy as np
import pytest

from dist_bp.data.targets import target_array
from dist_bp.data.task import TaskHint, infer_task
from dist_bp.errors import DataError

MSE = TaskHint("regression", "the loss mse")
CROSS_ENTROPY = TaskHint("classification", "the loss cross_entropy")


@pytest.mark.parametrize(
    ("raw", "task"),
    [
        ([0, 1, 1], "classification"),
        (["a", "b"], "classification"),
        ([1.0, 2.0], "regression"),
        (np.eye(3, dtype=int), "classification"),
        (np.eye(3), "regression"),
        (np.arange(6).reshape(2, 3), "regression"),
    ],
)
def test_without_a_hint_the_type_tells_the_task(raw: Any, task: str) -> None:
    assert infer_task(target_array(raw)) == task


@pytest.mark.parametrize("raw", [[0, 1, 1], [True, False], np.arange(100), np.eye(3, dtype=int), [1.5, 2.5]])
def test_numbers_are_amounts_where_the_loss_is_for_them(raw: Any) -> None:
    assert infer_task(target_array(raw), MSE) == "regression"


@pytest.mark.parametrize("raw", [[0.0, 1.0, 1.0], ["a", "b"], np.eye(3)])
def test_targets_are_classes_where_the_loss_is_for_them(raw: Any) -> None:
    assert infer_task(target_array(raw), CROSS_ENTROPY) == "classification"


@pytest.mark.parametrize(
    ("raw", "hint", "named", "message"),
    [
        (np.arange(100), None, False, "100 different values in 100 samples: set data.task: regression and a loss"),
        (np.arange(100), CROSS_ENTROPY, False, "100 samples, and the loss cross_entropy takes each .* data.task"),
        ([str(i) for i in range(50)], None, False, "50 samples: set data.task: classification if they are"),
        (["a", "b"], MSE, False, r"text \('a' in row 0 .*\), but the loss mse is for numbers: use cross_entropy"),
        (
            np.array(["True", "False"], object),
            MSE,
            False,
            r"are truth values \('True' in row 0 .*\), but the loss mse is",
        ),
        ([0, 1, 1], MSE, True, "which the source names, but the loss mse is for numbers: use cross_entropy, or"),
        ([0.0, 0.5], CROSS_ENTROPY, False, r"target 0.5 in row 1 .* the loss cross_entropy is for classes: use mse"),
    ],
)
def test_targets_that_do_not_fit_are_told_with_the_cause_and_a_remedy(
    raw: Any, hint: TaskHint | None, named: bool, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        infer_task(target_array(raw), hint, named)


def test_many_names_of_classes_need_no_task() -> None:
    assert infer_task(np.arange(100), CROSS_ENTROPY, named=True) == "classification"
