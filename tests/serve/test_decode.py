import numpy as np
import pytest

from dist_bp.data.targets import Targets
from dist_bp.serve.decode import decode
from dist_bp.types import Task


def targets(*classes: str | int, task: Task = "classification") -> Targets:
    return Targets(task, (), "float32", classes or None)


def test_large_logits_do_not_overflow() -> None:
    frame = decode(np.array([[1e4, -1e4, 0.0]]), "softmax", targets("a", "b", "c"))
    assert frame.iloc[0].to_list() == ["a", 1.0, 0.0, 0.0]
    frame = decode(np.array([[-1e4], [1e4]], np.float32), "sigmoid", targets(3, 7))
    assert frame["prediction"].to_list() == [3, 7]
    assert frame["probability_7"].to_list() == [0.0, 1.0]


def test_several_labels_are_decided_one_by_one() -> None:
    frame = decode(np.array([[2.0, -1.0], [-3.0, 0.5]]), "sigmoid", targets())
    assert frame["prediction_0"].to_list() == [1, 0]
    assert frame["prediction_1"].to_list() == [0, 1]
    np.testing.assert_allclose(frame["probability_0"], 1 / (1 + np.exp([-2.0, 3.0])))


@pytest.mark.parametrize(
    ("shape", "columns"),
    [
        ((4, 1), ["prediction"]),
        ((4, 2), ["prediction_0", "prediction_1"]),
        ((4, 1, 2), ["prediction_0", "prediction_1"]),
    ],
)
def test_values_have_a_column_each(shape: tuple[int, ...], columns: list[str]) -> None:
    outputs = np.arange(float(np.prod(shape)), dtype=np.float32).reshape(shape)
    frame = decode(outputs, "identity", targets(task="regression"))
    assert list(frame.columns) == columns
    np.testing.assert_array_equal(frame.to_numpy().ravel(), outputs.ravel())
    assert set(frame.dtypes) == {np.dtype("float32")}


def test_scores_without_a_meaning_give_no_probabilities() -> None:
    frame = decode(np.array([[0.0, 1.0]]), "identity", targets("no", "yes"))
    assert list(frame.columns) == ["prediction"]
    assert frame["prediction"].to_list() == ["yes"]
