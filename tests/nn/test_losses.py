"""Losses against formulas written out sample by sample."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_expit

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn import Context, Field, Loss, Ragged
from dist_bp.nn.losses.base import LossSum
from dist_bp.nn.losses.binary_cross_entropy import BinaryCrossEntropy
from dist_bp.nn.losses.cross_entropy import CrossEntropy, balanced_class_weights
from dist_bp.nn.losses.huber import Huber
from dist_bp.nn.losses.mean_absolute_error import MeanAbsoluteError
from dist_bp.nn.losses.mean_squared_error import MeanSquaredError
from dist_bp.types import Array
from tests.nn.helpers import normal


def call(loss: Loss, outputs: Array, targets: Array) -> LossSum:
    return loss(outputs, targets, Context.root(outputs.dtype))


def log_sum_exp(scores: list[float]) -> float:
    top = max(scores)
    return top + math.log(math.fsum(math.exp(score - top) for score in scores))


def cross_entropy(scores: list[float], label: int, smoothing: float) -> float:
    total = log_sum_exp(scores)
    shares = [smoothing / len(scores) + (1.0 - smoothing) * (k == label) for k in range(len(scores))]
    return math.fsum(share * (total - score) for share, score in zip(shares, scores, strict=True))


@given(
    seed=st.integers(0, 1000),
    rows=st.integers(0, 7),
    classes=st.integers(1, 6),
    scale=st.sampled_from([0.1, 1.0, 50.0]),
    smoothing=st.sampled_from([0.0, 0.1, 0.5]),
    weighted=st.booleans(),
)
def test_cross_entropy(seed: int, rows: int, classes: int, scale: float, smoothing: float, weighted: bool) -> None:
    random = np.random.default_rng(seed)
    outputs = scale * random.normal(size=(rows, classes))
    labels = random.integers(0, classes, rows)
    weights = random.uniform(0, 3, classes) if weighted else np.ones(classes)
    loss = CrossEntropy(smoothing, weights.tolist() if weighted else None)
    value, count, _ = call(loss, outputs, labels)
    samples = [weights[t] * cross_entropy(z, int(t), smoothing) for z, t in zip(outputs.tolist(), labels, strict=True)]
    assert value == pytest.approx(math.fsum(samples), rel=1e-12, abs=1e-12)
    assert count == rows


@given(seed=st.integers(0, 1000), rows=st.integers(0, 7), weight=st.sampled_from([1.0, 0.3, 5.0]))
def test_binary_cross_entropy(seed: int, rows: int, weight: float) -> None:
    random = np.random.default_rng(seed)
    outputs = 10.0 * random.normal(size=(rows, 3))
    targets = random.integers(0, 2, (rows, 3)).astype(float)

    def one(z: float, y: float) -> float:
        return weight * y * log_sum_exp([0.0, -z]) + (1.0 - y) * log_sum_exp([0.0, z])

    expected = math.fsum(one(z, y) / 3 for z, y in zip(outputs.flat, targets.flat, strict=True))
    value, count, _ = call(BinaryCrossEntropy(weight), outputs, targets)
    assert value == pytest.approx(expected, rel=1e-12, abs=1e-12)
    assert count == rows
    single = call(BinaryCrossEntropy(weight), outputs[:, :1].copy(), targets[:, 0].astype(np.int64))
    assert single[0] == pytest.approx(math.fsum(one(z, y) for z, y in zip(outputs[:, 0], targets[:, 0], strict=True)))


def huber(error: float, delta: float) -> float:
    size = abs(error)
    return 0.5 * size**2 if size <= delta else delta * (size - 0.5 * delta)


@pytest.mark.parametrize("rows", [0, 1, 5])
@pytest.mark.parametrize(
    ("loss", "one"),
    [(MeanSquaredError(), lambda e: e * e), (MeanAbsoluteError(), abs), (Huber(0.6), lambda e: huber(e, 0.6))],
    ids=["mse", "mae", "huber"],
)
def test_regression(loss: Loss, one: Callable[[float], float], rows: int) -> None:
    outputs, targets = normal((rows, 3)), normal((rows, 3), seed=1)
    errors = list((outputs - targets).flat)
    value, count, _ = call(loss, outputs, targets)
    assert value == pytest.approx(math.fsum(map(one, errors)) / 3, rel=1e-12, abs=1e-15)
    assert count == rows
    flat = call(loss, outputs[:, :1].copy(), targets[:, 0])[0]
    assert flat == pytest.approx(math.fsum(map(one, errors[::3])), rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", [CrossEntropy(0.1, [1.0, 2.0]), BinaryCrossEntropy(2.0)])
def test_scores_far_from_zero(loss: Loss, dtype: str) -> None:
    outputs = np.array([[1e4, -1e4], [-1e4, 1e4]], dtype)
    targets = np.array([1, 1]) if isinstance(loss, CrossEntropy) else np.array([[1, 0], [0, 1]], dtype)
    value, _, gradient = call(loss, outputs, targets)
    assert math.isfinite(value)
    assert np.isfinite(gradient).all()
    assert gradient.dtype == dtype


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 4e-7), ("float64", 1e-14)])
def test_binary_cross_entropy_is_exact_in_the_tails(dtype: str, tolerance: float) -> None:
    """Also where a sample is all but certain: its loss and gradient are small, and to be had to all digits."""
    scores = np.linspace(-100, 100, 401, dtype=dtype).reshape(-1, 1)
    exact, spacing = scores[:, 0].astype(np.float64), float(np.finfo(dtype).smallest_subnormal)
    for target, loss, slope in ((0, -log_expit(-exact), expit(exact)), (1, -log_expit(exact), -expit(-exact))):
        for row, (value, derivative) in enumerate(zip(loss, slope, strict=True)):
            weight = 1.0 if target == 0 else 2.5
            total, _, gradient = call(BinaryCrossEntropy(2.5), scores[row : row + 1], np.array([target]))
            assert total == pytest.approx(weight * value, rel=tolerance, abs=2 * spacing)
            assert gradient[0, 0] == pytest.approx(weight * derivative, rel=tolerance, abs=2 * spacing)


def test_the_sum_is_taken_in_float64() -> None:
    """One large loss and 4095 small ones, each lost when added to it in float32."""
    outputs = np.zeros((4096, 1), np.float32)
    outputs[:, 0] = 1e-2
    outputs[0, 0] = 4e3
    value = call(MeanSquaredError(), outputs, np.zeros(4096, np.float32))[0]
    assert isinstance(value, float)
    assert value == pytest.approx(math.fsum(float(v) ** 2 for v in outputs[:, 0]), rel=1e-9)


def test_arguments_stay_as_they_are() -> None:
    outputs, labels = normal((4, 3)), np.array([0, 1, 2, 1])
    before = outputs.copy()
    for loss, targets in ((CrossEntropy(0.1), labels), (BinaryCrossEntropy(), before), (Huber(), before)):
        outputs.flags.writeable = targets.flags.writeable = False
        call(loss, outputs, targets)
    np.testing.assert_array_equal(outputs, before)


def test_balanced_class_weights() -> None:
    assert balanced_class_weights([10, 30]) == (40 / 20, 40 / 60)
    counts = [10, 30, 0]
    weights = balanced_class_weights(counts)
    assert weights == (40 / 20, 40 / 60, 0.0)
    assert np.average(weights, weights=counts) == pytest.approx(1.0, rel=1e-15)


def target(classes: int | None, shape: tuple[int, ...] = ()) -> Field:
    return Field(shape) if classes is None else Field(shape, "int", count=classes)


@pytest.mark.parametrize(
    ("loss", "output_shape", "classes", "target_shape", "message"),
    [
        (
            CrossEntropy(),
            (3,),
            10,
            (),
            "cross_entropy over 10 classes needs 10 units in the last layer, it has 3",
        ),
        (CrossEntropy(), (2, 5), 10, (), r"needs 10 units in the last layer, it has the shape \(2, 5\)"),
        (CrossEntropy(), (1,), None, (), "needs class labels, the targets are numbers: use mse, mae or huber"),
        (CrossEntropy(class_weights=[1.0, 2.0]), (3,), 3, (), "has 2 class_weights for 3 classes"),
        (BinaryCrossEntropy(), (1,), 3, (), "needs 2 classes, the data has 3: use cross_entropy"),
        (BinaryCrossEntropy(), (2,), 2, (), "for each label, 1, it has 2"),
        (BinaryCrossEntropy(), (2,), None, (4,), "for each label, 4, it has 2"),
        (MeanSquaredError(), (3,), 3, (), "mse needs numbers, the targets are 3 classes: use cross_entropy"),
        (Huber(), (3,), None, (2,), "as a target has numbers, 2, it has 3"),
        (MeanAbsoluteError(), (2,), None, (), "as a target has numbers, 1, it has 2"),
    ],
)
def test_misfits(
    loss: Loss,
    output_shape: tuple[int, ...],
    classes: int | None,
    target_shape: tuple[int, ...],
    message: str,
) -> None:
    with pytest.raises(ShapeError, match=message):
        loss.check(Field(output_shape), target(classes, target_shape))


@pytest.mark.parametrize("loss", [CrossEntropy(), BinaryCrossEntropy(), MeanSquaredError()], ids=lambda loss: loss.name)
def test_outputs_and_targets_differ_in_length_both_or_neither(loss: Loss) -> None:
    count = None if isinstance(loss, MeanSquaredError) else 2
    several, one = Field((2,), ragged=True), Field((2,))
    with pytest.raises(ShapeError, match="gives any x 2, an output for each position"):
        loss.check(several, target(count))
    with pytest.raises(ShapeError, match="gives 2 for a whole sample: keep to layers"):
        loss.check(one, Field((), "float" if count is None else "int", True, count))


def test_two_problems_are_shown_at_once() -> None:
    with pytest.raises(ShapeError) as caught:
        CrossEntropy(class_weights=[1.0]).check(Field((3,)), target(10))
    assert len(caught.value.problems) == 2


def test_fits() -> None:
    CrossEntropy(class_weights=[1.0, 2.0]).check(Field((2,)), target(2))
    BinaryCrossEntropy().check(Field((1,)), target(2))
    BinaryCrossEntropy().check(Field((4,)), target(None, (4,)))
    MeanSquaredError().check(Field((1,)), target(None))
    Huber().check(Field((2,)), target(None, (2,)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: CrossEntropy(label_smoothing=1.0), "label_smoothing"),
        (lambda: CrossEntropy(class_weights=[1.0, -1.0]), "class_weights: must be at least 0, got -1.0"),
        (lambda: CrossEntropy(class_weights="balance"), "class_weights: must be one of balanced"),  # type: ignore[arg-type]
        (lambda: BinaryCrossEntropy(0.0), "positive_weight"),
        (lambda: Huber(-1.0), "delta"),
    ],
)
def test_hyperparameters_out_of_range(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=message):
        make()


LOSSES: list[tuple[Loss, bool]] = [
    (CrossEntropy(0.1, [1.0, 2.0, 0.5]), True),
    (BinaryCrossEntropy(2.0), False),
    (MeanSquaredError(), False),
    (Huber(), False),
]


@pytest.mark.parametrize(("loss", "labels"), LOSSES)
def test_weights_multiply_what_a_sample_adds(loss: Loss, labels: bool) -> None:
    outputs, weights = normal((5, 3)), np.array([0.0, 1.0, 2.5, 1.0, 0.25])
    targets = np.array([0, 1, 2, 1, 0]) if labels else (normal((5, 3), 1) > 0).astype(float)
    alone = [call(loss, outputs[i : i + 1], targets[i : i + 1]) for i in range(5)]
    total, weight, gradient = loss(outputs, targets, Context.root("float64"), weights)
    assert total == pytest.approx(sum(w * one.total for w, one in zip(weights, alone, strict=True)), rel=1e-12)
    assert weight == 4.75
    expected = [w * call(loss, outputs[i : i + 1], targets[i : i + 1]).gradient[0] for i, w in enumerate(weights)]
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("loss", "labels"), LOSSES)
def test_positions_count_each_and_those_beyond_the_length_not(loss: Loss, labels: bool, weighted: bool) -> None:
    lengths = np.array([4, 0, 2])
    outputs, weights = normal((3, 4, 3)), np.array([0.5, 3.0, 2.0]) if weighted else None
    floats = (normal((3, 4, 3), 1) > 0).astype(float)
    targets = np.argmax(floats, axis=-1) if labels else floats
    total, weight, gradient = loss(Ragged(outputs, lengths), Ragged(targets, lengths), Context.root("float64"), weights)
    there = [(i, t) for i in range(3) for t in range(lengths[i])]
    factor = np.ones(3) if weights is None else weights
    alone = {(i, t): call(loss, outputs[i, t][None], targets[i, t][None]) for i, t in there}
    assert total == pytest.approx(sum(factor[i] * alone[i, t].total for i, t in there), rel=1e-12)
    assert weight == sum(factor[i] for i, _ in there)
    expected = np.zeros((3, 4, 3))
    for i, t in there:
        expected[i, t] = factor[i] * call(loss, outputs[i, t][None], targets[i, t][None]).gradient[0]
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)


def test_fixed_positions_are_averaged_like_samples() -> None:
    outputs, targets = normal((2, 3, 4)), np.array([[0, 1, 2], [3, 3, 0]])
    spread = call(CrossEntropy(), outputs, targets)
    rows = call(CrossEntropy(), outputs.reshape(6, 4), targets.reshape(6))
    assert (spread.total, spread.weight) == (rows.total, 6)
    np.testing.assert_array_equal(spread.gradient.reshape(6, 4), rows.gradient)
