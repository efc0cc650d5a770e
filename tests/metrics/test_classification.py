import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as sk

from dist_bp.components import metric
from dist_bp.errors import ShapeError
from dist_bp.metrics import Metric

SCORES = {"precision": sk.precision_score, "recall": sk.recall_score, "f1": sk.f1_score}


def measure(name: str, classes: int, outputs: np.ndarray, targets: np.ndarray) -> float | np.ndarray:
    measured: Metric = metric(name)
    state = measured.empty()
    measured.update(state, outputs, targets)
    return measured.result(state)


def sample(classes: int, rows: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Logits with ties, and labels of all classes but the last."""
    generator = np.random.default_rng(classes)
    outputs = generator.integers(-3, 4, (rows, classes)).astype("float32")
    return outputs, generator.integers(0, classes - 1, rows)


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("score", SCORES)
def test_class_scores(score: str, average: str, classes: int) -> None:
    outputs, targets = sample(classes)
    outputs[:, -2] += 1.0
    wanted = SCORES[score](targets, outputs.argmax(axis=1), average=average, zero_division=0)
    assert measure(f"{score}_{average}", classes, outputs, targets) == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize("score", SCORES)
def test_macro_leaves_out_classes_that_do_not_occur(score: str) -> None:
    targets = np.array([0, 0, 1, 2])
    outputs = np.eye(5)[[0, 1, 1, 3]]
    wanted = SCORES[score](targets, outputs.argmax(axis=1), average="macro", zero_division=0)
    assert measure(f"{score}_macro", 5, outputs, targets) == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_accuracy_and_confusion_matrix(classes: int) -> None:
    outputs, targets = sample(classes)
    predicted = outputs.argmax(axis=1)
    assert measure("accuracy", classes, outputs, targets) == sk.accuracy_score(targets, predicted)
    matrix = measure("confusion_matrix", classes, outputs, targets)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(targets, predicted, labels=range(classes)))


@pytest.mark.parametrize("shape", [(200,), (200, 1)])
@pytest.mark.parametrize("name", ["accuracy", "precision_macro", "recall_macro", "f1_macro", "f1_micro"])
def test_one_logit_is_cut_at_zero(name: str, shape: tuple[int, ...]) -> None:
    generator = np.random.default_rng(1)
    outputs = generator.integers(-2, 3, (200, 1)).astype("float32")
    targets = generator.integers(0, 2, shape)
    two = np.hstack([np.zeros_like(outputs), outputs])
    assert measure(name, 2, outputs, targets) == measure(name, 2, two, targets.ravel())


@pytest.mark.parametrize("average", ["macro", "micro"])
@pytest.mark.parametrize("score", SCORES)
def test_several_labels_a_sample(score: str, average: str) -> None:
    generator = np.random.default_rng(2)
    outputs = generator.standard_normal((100, 4)).astype("float32")
    targets = (generator.random((100, 4)) < 0.3).astype("float32")
    wanted = SCORES[score](targets, outputs > 0, average=average)
    assert measure(f"{score}_{average}", 4, outputs, targets) == pytest.approx(wanted, rel=1e-14)
    assert measure("accuracy", 4, outputs, targets) == np.mean((outputs > 0) == (targets > 0))


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_top_k(k: int) -> None:
    outputs = np.random.default_rng(3).standard_normal((200, 10)).astype("float32")
    targets = np.random.default_rng(4).integers(0, 10, 200)
    wanted = sk.top_k_accuracy_score(targets, outputs, k=k, labels=range(10))
    assert measure(f"top_{k}", 10, outputs, targets) == wanted


def test_top_1_is_accuracy_with_ties() -> None:
    outputs, targets = sample(10)
    assert measure("top_1", 10, outputs, targets) == measure("accuracy", 10, outputs, targets)
    assert measure("top_10", 10, outputs, targets) == 1.0


def test_outputs_that_are_not_numbers_are_no_hits() -> None:
    assert measure("top_2", 3, np.full((4, 3), np.nan), np.array([1, 2, 2, 1])) == 0.0


def test_each_sample_of_a_constant_output_ties_to_the_first_class() -> None:
    assert measure("accuracy", 3, np.zeros((4, 3)), np.array([0, 0, 1, 2])) == 0.5
    assert measure("top_2", 3, np.zeros((4, 3)), np.array([0, 0, 1, 2])) == 0.75


@pytest.mark.parametrize("rows", [0, 5])
@pytest.mark.parametrize("name", ["accuracy", "f1_macro", "confusion_matrix", "roc_auc", "top_2"])
def test_outputs_that_do_not_fit_the_targets_are_refused(name: str, rows: int) -> None:
    measured = metric(name)
    with pytest.raises(ShapeError, match=r"4 output units do not fit .*\(3,\)|top_2 needs one .* label a sample"):
        measured.update(measured.empty(), np.zeros((rows, 4)), np.zeros((rows, 3)))


@pytest.mark.parametrize("name", ["confusion_matrix", "top_2"])
def test_metrics_of_one_label_refuse_several(name: str) -> None:
    measured = metric(name)
    with pytest.raises(ShapeError, match=f"{name} needs one"):
        measured.update(measured.empty(), np.zeros((5, 4)), np.zeros((5, 4)))


@pytest.mark.parametrize(
    ("name", "wanted"), [("balanced_accuracy", sk.balanced_accuracy_score), ("matthews", sk.matthews_corrcoef)]
)
def test_scores_of_very_many_classes_take_little_memory(name: str, wanted: Callable[..., float]) -> None:
    classes = 10_000
    targets = np.arange(100) * 99
    outputs = np.zeros((100, classes), np.float32)
    outputs[np.arange(100), np.where(np.arange(100) % 3, targets, 99)] = 1
    tracemalloc.start()
    measured = measure(name, classes, outputs, targets)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert measured == pytest.approx(wanted(targets, outputs.argmax(axis=1)), rel=1e-12)
    assert peak < 5e6
    with pytest.raises(ShapeError, match="one label a sample"):
        measure(name, 3, np.zeros((2, 3)), np.zeros((2, 3)))
