"""Whole numbers, several inputs and sequences of different lengths through layers and back."""

import re
from typing import Any

import numpy as np
import pytest

from dist_bp.errors import ShapeError
from dist_bp.nn import Field, Layer, Model, Ragged, check_gradients
from dist_bp.nn.gradients import sums_by_id
from dist_bp.nn.layers.activation import Activation
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.branches import Branches
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.residual import Residual
from dist_bp.nn.losses.cross_entropy import CrossEntropy
from dist_bp.nn.losses.mean_squared_error import MeanSquaredError
from tests.nn.helpers import groups_of, normal

IDS = np.array([[3, 0, 3], [1, 4, 0], [3, 3, 3], [4, 1, 1]])


def test_dense_takes_each_position_by_itself() -> None:
    x = normal((2, 3, 4, 5))
    layers = [Dense(6, "tanh"), Dense(2)]
    model = Model(layers, (3, 4, 5), "float64")
    flat = Model(layers, (5,), "float64")
    params = model.layout.views(model.initialize(0)[0])
    ctx = model.context(0)
    ctx.begin(training=False)
    y = model.forward(x, params, ctx)[0].copy()
    np.testing.assert_array_equal(flat.forward(x.reshape(-1, 5), params, ctx)[0].reshape(2, 3, 4, 2), y)
    assert check_gradients(layers, x) < 1e-6


@pytest.mark.parametrize("padding", [None, 3])
def test_embedding(padding: int | None) -> None:
    model = Model([Embedding(2, padding=padding)], Field((3,), "int", count=5), "float64")
    params = model.layout.views(model.initialize(1)[0])
    ctx = model.context(0)
    ctx.begin(training=True)
    expected = params["0"]["table"][IDS]
    if padding is not None:
        expected[padding == IDS] = 0
    np.testing.assert_array_equal(model.forward(IDS, params, ctx)[0], expected)
    layers = [Embedding(3, padding=padding), Flatten(), Dense(2, "tanh")]
    assert check_gradients(layers, IDS, spec=Field((3,), "int", count=5)) < 1e-6


def test_embedding_of_single_numbers() -> None:
    assert check_gradients([Embedding(4), Dense(2)], np.array([2, 0, 2, 1])) < 1e-6


def test_sums_by_id_are_those_of_a_loop() -> None:
    ids, values = np.random.default_rng(0).integers(0, 9, 100), normal((100, 3))
    expected = np.zeros((9, 3))
    for number, row in zip(ids, values, strict=True):
        expected[number] += row
    touched, sums = sums_by_id(ids, values)
    np.testing.assert_array_equal(touched, np.unique(ids))
    np.testing.assert_allclose(sums, expected[touched], rtol=1e-13)
    assert sums_by_id(ids, values.astype(np.float32))[1].dtype == np.float32
    assert not len(sums_by_id(ids[:0], values[:0])[0])


@pytest.mark.parametrize("merge", ["concat", "add"])
def test_branches(merge: Any) -> None:
    x = {"pixels": normal((4, 2, 3)), "words": IDS, "table": normal((4, 5), 1)}
    layers: list[Layer] = [
        Branches(
            {
                "pixels": [Flatten(), Dense(4, "tanh")],
                "words": [Embedding(2), Flatten(), Dense(4)],
                "table": [] if merge == "concat" else [Dense(4), BatchNorm()],
            },
            merge,
        ),
        Dense(3),
    ]
    assert check_gradients(layers, x, groups=groups_of(4, 2)) < 1e-6
    model = Model(layers, {"pixels": Field((2, 3)), "words": Field((3,), "int", count=5), "table": Field((5,))})
    assert model.summary()[0].output == Field((13 if merge == "concat" else 4,))


LENGTHS = np.array([3, 0, 5, 2])
POSITIONWISE: dict[str, list[Layer]] = {
    "dense": [Dense(4, "tanh"), Dense(3)],
    "layer_norm": [LayerNorm(), Activation("gelu")],
    "dropout": [Dropout(0.4), Dense(3)],
    "residual": [Residual([Dense(6, "silu"), Dense(4)])],
    "residual with a shortcut": [Residual([Dense(6, "silu")], shortcut=[Dense(6)])],
}


@pytest.mark.parametrize("layers", POSITIONWISE.values(), ids=POSITIONWISE)
def test_samples_of_different_lengths(layers: list[Layer]) -> None:
    values = normal((4, 5, 4))
    assert check_gradients(layers, Ragged(values, LENGTHS), training=False) < 1e-6
    targets = Ragged(normal((4, 5, 4 if "residual" in str(layers) else 3), 2), LENGTHS)
    if Model(layers, Field((4,), ragged=True)).output.shape == targets.values.shape[2:]:
        assert check_gradients(layers, Ragged(values, LENGTHS), loss=MeanSquaredError(), targets=targets) < 1e-6


def test_a_label_for_each_word() -> None:
    words = Ragged(np.array([[3, 1, 0, 0], [2, 0, 1, 3]]), np.array([2, 4]))
    labels = Ragged(np.array([[0, 1, 0, 0], [2, 1, 0, 1]]), np.array([2, 4]))
    layers = [Embedding(3), Dense(5, "tanh"), Dense(3)]
    assert check_gradients(layers, words, loss=CrossEntropy(), targets=labels) < 1e-6


RAGGED_WORDS = Field((), "int", True, 9)


@pytest.mark.parametrize(
    ("layers", "spec", "message"),
    [
        ([Dense(3)], Field((4,), "int", count=3), "dense takes numbers, its input is 4, whole numbers: put {type: emb"),
        ([Embedding(3)], Field((4,)), "embedding takes whole numbers, its input is 4"),
        ([Embedding(3)], Field((4,), "int"), "does not say how many different numbers there are: set count"),
        ([Embedding(3, count=2)], RAGGED_WORDS, "embedding has 2 vectors, and its input 9 different numbers"),
        ([Embedding(3, padding=9)], RAGGED_WORDS, "padding is 9, and the numbers lie below 9"),
        ([Embedding(3), Flatten()], RAGGED_WORDS, "layer 1: flatten takes samples of one length, its input is any x 3"),
        ([Dense(3)], {"a": Field((2,)), "b": Field((2,))}, "dense takes one input, here are 2 .a, b.: .*branches"),
        ([Branches({"a": []})], Field((2,)), "branches takes several named inputs, here is one"),
        ([Branches({"a": [], "c": []})], {"a": Field((2,)), "b": Field((2,))}, "no input 'c'.*'b' has no layers"),
        (
            [Branches({"a": [], "b": []}, "add")],
            {"a": Field((2,)), "b": Field((3,))},
            "merged by add, a 2, b 3: end all in one",
        ),
    ],
)
def test_misfits(layers: list[Layer], spec: Any, message: str) -> None:
    with pytest.raises(ShapeError) as caught:
        Model(layers, spec)
    assert re.search(message, "; ".join(caught.value.problems))


def test_numbers_outside_are_refused() -> None:
    model = Model([Embedding(2)], Field((3,), "int", count=5))
    ctx = model.context(0)
    ctx.begin(training=False)
    for wrong in (5, -1):
        with pytest.raises(ShapeError, match="a number lies outside of 0 to 4"):
            model.forward(np.full((1, 3), wrong), model.layout.views(model.initialize(0)[0]), ctx)
