"""ctc against all ways to spell a sequence of labels, one by one."""

import itertools
import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dist_bp.errors import ShapeError
from dist_bp.nn import Context, Field, Ragged, check_gradients
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.losses.base import LossSum
from dist_bp.nn.losses.ctc import Ctc
from dist_bp.signals import Signal
from dist_bp.types import Array
from tests.allocation import takes_less
from tests.nn.helpers import normal

UNITS = 3
LENGTHS, COUNTS = np.array([5, 4, 0, 5, 3, 1]), np.array([3, 2, 0, 0, 2, 1])
LABELS = np.array([[0, 1, 0], [1, 1, 7], [7, 7, 7], [7, 7, 7], [1, 1, 7], [1, 7, 7]])
"""One that needs each of its positions, empty ones, and 7 where there is no label."""


def call(outputs: Signal, targets: Signal, weights: Array | None = None, loss: Ctc | None = None) -> LossSum:
    values = outputs.values if isinstance(outputs, Ragged) else outputs
    return (loss or Ctc())(outputs, targets, Context.root(values.dtype), weights)


def spelled(way: tuple[int, ...]) -> list[int]:
    return [unit for unit, _ in itertools.groupby(way) if unit != UNITS - 1]


def probability(outputs: Array, labels: list[int]) -> float:
    """Of all ways (units ** positions) that spell the labels."""
    powers = np.exp(outputs)
    powers /= powers.sum(axis=1, keepdims=True)
    ways = itertools.product(range(UNITS), repeat=len(outputs))
    return math.fsum(math.prod(powers[range(len(way)), way]) for way in ways if spelled(way) == labels)


def test_all_ways_together() -> None:
    outputs = normal((6, 8, UNITS))
    weights = np.array([1.0, 2.0, 3.0, 0.5, 0.0, 1.0])
    chances = [
        probability(x[:length], y[:count].tolist())
        for x, length, y, count in zip(outputs, LENGTHS, LABELS, COUNTS, strict=True)
    ]
    for given_weights, factors in ((None, np.ones(6)), (weights, weights)):
        total, weight, _ = call(Ragged(outputs, LENGTHS), Ragged(LABELS, COUNTS), given_weights)
        assert total == pytest.approx(-factors @ np.log(chances), rel=1e-12)
        assert weight == factors @ COUNTS
    dense = call(outputs[:2, :5].copy(), np.array([[0, 1], [1, 1]]))
    expected = [probability(outputs[i, :5], labels) for i, labels in ((0, [0, 1]), (1, [1, 1]))]
    assert dense.total == pytest.approx(-np.log(expected).sum(), rel=1e-12)
    assert dense.weight == 4


def test_shares_add_up() -> None:
    """In a share samples are padded as in the whole batch, labels perhaps to others."""
    outputs, weights = normal((6, 8, UNITS)), np.linspace(0.5, 2, 6)
    whole = call(Ragged(outputs, LENGTHS), Ragged(LABELS, COUNTS), weights)
    parts = [
        call(Ragged(outputs[rows], LENGTHS[rows]), Ragged(LABELS[rows, :most], COUNTS[rows]), weights[rows])
        for rows, most in ((slice(0, 2), 3), (slice(2, 4), 0), (slice(4, 6), 2), (slice(6, 6), 3))
    ]
    assert math.fsum(part.total for part in parts) == pytest.approx(whole.total, rel=1e-12)
    assert math.fsum(part.weight for part in parts) == pytest.approx(whole.weight, rel=1e-12)
    np.testing.assert_allclose(np.concatenate([part.gradient for part in parts]), whole.gradient, rtol=1e-10)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(0, 4), scale=st.sampled_from([0.1, 1.0, 20.0]))
def test_the_gradient(seed: int, rows: int, scale: float) -> None:
    """Of samples of any lengths, 0 beyond them."""
    random = np.random.default_rng(seed)
    counts = random.integers(0, 4, rows)
    labels = random.integers(0, UNITS - 1, (rows, 3))
    lengths = np.minimum(2 * counts + random.integers(0, 4, rows), 8)
    outputs = scale * random.normal(size=(rows, 8, UNITS))
    targets = Ragged(labels, counts)
    gradient = call(Ragged(outputs, lengths), targets).gradient
    assert gradient.shape == outputs.shape
    for row, length in enumerate(lengths):
        assert not gradient[row, length:].any()
    direction = random.normal(size=outputs.shape)
    above, below = (call(Ragged(outputs + side * 1e-5 * direction, lengths), targets).total for side in (1.0, -1.0))
    assert np.vdot(gradient, direction) == pytest.approx((above - below) / 2e-5, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("ragged", [True, False])
def test_gradients_of_a_network(ragged: bool) -> None:
    x = normal((6, 8, 4))
    labels = LABELS.copy()
    labels[labels == 7] = 0
    inputs, targets = (Ragged(x, LENGTHS), Ragged(labels, COUNTS)) if ragged else (x, labels[:, :2].copy())
    assert check_gradients([Dense(UNITS)], inputs, loss=Ctc(), targets=targets) < 1e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_outputs_that_are_sure(dtype: str) -> None:
    """Of what is spelled the loss is 0, of what is not it is large and finite; in float64, whatever the dtype."""
    outputs = np.full((2, 6, UNITS), -1e4, dtype)
    for position, unit in enumerate([0, 2, 1, 1, 2, 0]):
        outputs[:, position, unit] = 1e4
    found = call(outputs, Ragged(np.array([[0, 1, 0], [1, 1, 1]]), np.array([3, 3])))
    assert found.gradient.dtype == dtype
    assert np.isfinite(found.gradient).all()
    assert not found.gradient[0].any()
    assert 2e4 <= found.total < 1e5


def test_long_samples_lose_no_way() -> None:
    """One way is left, and less likely by 1e-600 than others that lead nowhere."""
    outputs = np.zeros((1, 400, UNITS))
    outputs[0, :, 2] = 8.0
    labels = np.resize([0, 1], (1, 400))
    expected = 400 * math.log(2 + math.exp(8.0))
    assert call(outputs, labels).total == pytest.approx(expected, rel=1e-12)


def test_more_labels_than_positions() -> None:
    outputs, labels = (
        Ragged(normal((3, 8, UNITS)), np.array([8, 4, 1])),
        Ragged(np.ones((3, 3), int), np.array([1, 3, 1])),
    )
    with pytest.raises(ShapeError) as caught:
        call(outputs, labels)
    assert str(caught.value) == (
        "ctc: sample 1 of a batch has 3 labels, 2 of them like the one before (1, 1, 1), which take 5 positions, and "
        "the last layer gives 4: let it give more, or set too_long: skip"
    )
    skipped = call(outputs, labels, loss=Ctc(too_long="skip"))
    others = Ragged(outputs.values[[0, 2]], outputs.lengths[[0, 2]]), Ragged(labels.values[[0, 2]], np.array([1, 1]))
    assert skipped.total == pytest.approx(call(*others).total, rel=1e-12)
    assert skipped.weight == 2
    assert not skipped.gradient[1].any()
    np.testing.assert_allclose(skipped.gradient[[0, 2]], call(*others).gradient)


@pytest.mark.parametrize(
    ("output", "target", "message"),
    [
        (Field((4,), ragged=True), Field((), "int", True, 4), "ctc over 4 classes needs 5 units in the last layer"),
        (Field((5,)), Field((), "int", True, 4), "ctc needs an output for each position of a sample, .* gives 5"),
        (Field((9, 5)), Field((), "int", count=4), "ctc needs a sequence of labels for each sample"),
        (Field((9, 5)), Field((2,)), "ctc needs class labels, the targets are numbers"),
    ],
)
def test_what_does_not_fit_is_refused(output: Field, target: Field, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Ctc().check(output, target)
    Ctc().check(Field((9, 5)), Field((3,), "int", count=4))
    Ctc().check(Field((5,), ragged=True), Field((), "int", True, 4))


def test_no_large_array_is_allocated_after_the_first_step() -> None:
    """Less than a tenth of the states of all positions."""
    outputs, labels = normal((16, 200, 12)), np.random.default_rng(0).integers(0, 11, (16, 20))
    loss, ctx = Ctc(), Context.root("float64")
    for _ in range(2):
        loss(outputs, labels, ctx)
    usual = np.setbufsize(256)
    try:
        assert takes_less(200 * 16 * 41 * 8 // 10, lambda: partial(loss, outputs, labels, ctx))
    finally:
        np.setbufsize(usual)
