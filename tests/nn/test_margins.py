"""Convolution and pooling of sequences of different lengths: each as if it stood alone."""

import math

import numpy as np
import pytest

from dist_bp.errors import ShapeError
from dist_bp.nn import Gradients, Layer, Model, Ragged
from dist_bp.nn.layers.average_pool import AveragePool
from dist_bp.nn.layers.conv1d import Conv1d
from dist_bp.nn.layers.max_pool import MaxPool
from dist_bp.signals import Field, Signal
from dist_bp.types import Array
from tests.nn.helpers import normal

LENGTHS = np.array([5, 0, 7, 1, 8, 3, 2])
X = normal((len(LENGTHS), 8, 4))
LAYERS: list[Layer] = [
    *(Conv1d(3, 3, stride=stride, padding=padding) for stride in (1, 2, 3) for padding in ("same", "valid", 2)),
    Conv1d(3, 2, stride=5, activation="tanh"),
    Conv1d(4, 3, dilation=2, groups=2, bias=False),
    Conv1d(4, 1, padding="valid"),
    *(
        kind(size, stride, padding)
        for kind in (MaxPool, AveragePool)
        for size, stride in ((2, 2), (3, 1), (3, 2), (2, 3))
        for padding in ("same", "valid")
    ),
]


def step(layer: Layer, x: Signal, field: Field, dy: Array | None) -> tuple[Signal, Array, Array]:
    """Outputs, gradient of the input, and of the parameters."""
    model = Model([layer], field, "float64")
    vector, _ = model.initialize(1)
    vector += 0.1 * normal(vector.shape, 2)
    gradient = np.full_like(vector, np.nan)
    grads = Gradients(model.layout.views(gradient))
    ctx = model.context(0, needs_input_grad=True)
    ctx.begin(training=True)
    y, backward = model.forward(x, model.layout.views(vector), ctx)
    grads.begin()
    dx = backward(slopes(y) if dy is None else dy, grads)
    grads.end()
    return y, dx, gradient


def slopes(y: Signal) -> Array:
    """The gradient of outputs: numbers by position, 0 beyond a sequence's end."""
    values = y.values if isinstance(y, Ragged) else y
    found = np.zeros_like(values)
    for row, length in zip(found, y.lengths if isinstance(y, Ragged) else [values.shape[1]] * len(values), strict=True):
        row[:length] = np.cos(np.arange(math.prod(values[0, :length].shape))).reshape(-1, values.shape[-1])
    return found


def alone(layer: Layer, sequence: Array) -> tuple[Array, Array, Array] | None:
    """The same of one sequence, as a sample of one length; None where no window fits."""
    if not len(sequence):
        return None
    try:
        y, dx, gradient = step(layer, sequence[np.newaxis], Field(sequence.shape), None)
    except ShapeError:
        return None
    return y[0], dx[0], gradient


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{layer.kind}-{layer.stride}-{layer.padding}")
def test_each_sequence_is_as_if_it_stood_alone(layer: Layer) -> None:
    x = X.copy()
    for row, length in zip(x, LENGTHS, strict=True):
        row[length:] = 1e30
    y, dx, gradient = step(layer, Ragged(x, LENGTHS), Field((4,), ragged=True), None)
    assert np.isfinite(y.values).all()
    total = np.zeros_like(gradient)
    for row, length, out, number, d_row in zip(X, LENGTHS, y.values, y.lengths, dx, strict=True):
        assert not d_row[length:].any()
        if (found := alone(layer, row[:length])) is None:
            assert number == 0
            assert not d_row.any()
            continue
        expected, d_expected, part = found
        assert number == len(expected)
        np.testing.assert_allclose(out[:number], expected, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(d_row[:length], d_expected, rtol=1e-12, atol=1e-14)
        total += part
    np.testing.assert_allclose(gradient, total, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("layer", [Conv1d(3, 7, padding="valid"), MaxPool(7), AveragePool(7)], ids=lambda one: one.kind)
def test_sequences_that_are_all_too_short_for_a_window_have_no_positions(layer: Layer) -> None:
    y, dx, gradient = step(layer, Ragged(X[:, :3], np.full(len(X), 3)), Field((4,), ragged=True), None)
    assert not y.lengths.any()
    assert np.isfinite(y.values).all()
    assert not dx.any()
    assert not gradient.any()


@pytest.mark.parametrize("layer", [MaxPool([2, 3]), AveragePool([2, 3])], ids=lambda one: one.kind)
def test_windows_of_two_axes_do_not_go_over_sequences(layer: Layer) -> None:
    with pytest.raises(ShapeError, match="a window of 2 x 3 does not fit into 2 x 1"):
        Model([layer], Field((4,), ragged=True))


def test_the_longest_that_there_can_be_is_known_behind_them_too() -> None:
    field = Field((4,), ragged=True, longest=9)
    layers: list[Layer] = [Conv1d(4, 3, stride=2), MaxPool(2), Conv1d(4, 2, padding="valid")]
    assert [row.output.longest for row in Model(layers, field).summary()] == [5, 2, 1]  # type: ignore[union-attr]
