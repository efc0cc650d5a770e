"""Pooling and group normalization against their definitions written out."""

from typing import Any

import numpy as np
import pytest

from dist_bp.errors import ShapeError
from dist_bp.nn import Gradients, Group, Layer, Model, Ragged, check_gradients
from dist_bp.nn.gradient_check import spec_of
from dist_bp.nn.layers.average_pool import AveragePool
from dist_bp.nn.layers.global_average_pool import GlobalAveragePool
from dist_bp.nn.layers.group_norm import GroupNorm
from dist_bp.nn.layers.max_pool import MaxPool
from dist_bp.types import Array
from tests.nn.helpers import Net, normal

OPTIONS: list[dict[str, Any]] = [
    {},
    {"size": 3, "stride": 2},
    {"size": 3, "stride": 2, "padding": "same"},
    {"size": [2, 3], "stride": 1, "padding": "same"},
    {"size": 3, "stride": [2, 1]},
]


def written_out(x: Array, of: Any, size: Any = 2, stride: Any = None, padding: str = "valid") -> Array:
    height, width = (size, size) if isinstance(size, int) else size
    step = size if stride is None else stride
    down, across = (step, step) if isinstance(step, int) else step
    if padding == "same":
        rows, columns = -(-x.shape[1] // down), -(-x.shape[2] // across)
        top = max((rows - 1) * down + height - x.shape[1], 0) // 2
        left = max((columns - 1) * across + width - x.shape[2], 0) // 2
    else:
        rows, columns, top, left = (x.shape[1] - height) // down + 1, (x.shape[2] - width) // across + 1, 0, 0
    y = np.empty((len(x), rows, columns, x.shape[3]))
    for r, c in np.ndindex(rows, columns):
        first, begin = r * down - top, c * across - left
        window = x[:, max(first, 0) : first + height, max(begin, 0) : begin + width]
        y[:, r, c] = of(window.reshape(len(x), -1, x.shape[3]), axis=1)
    return y


@pytest.mark.parametrize(("make", "of"), [(MaxPool, np.max), (AveragePool, np.mean)])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_images(make: Any, of: Any, options: dict[str, Any]) -> None:
    x = normal((2, 7, 6, 3))
    np.testing.assert_allclose(Net([make(**options)], (7, 6, 3)).step(x).outputs, written_out(x, of, **options))
    assert check_gradients([make(**options)], x) < 1e-6
    assert not Net([make(**options)], (7, 6, 3)).step(x[:0]).outputs.size


@pytest.mark.parametrize(("make", "of"), [(MaxPool, np.max), (AveragePool, np.mean)])
def test_sequences(make: Any, of: Any) -> None:
    x = normal((2, 9, 4))
    expected = written_out(x[:, :, None], of, [3, 1], [2, 1])[:, :, 0]
    np.testing.assert_allclose(Net([make(3, 2)], (9, 4)).step(x).outputs, expected)
    assert check_gradients([make(3, 2)], x) < 1e-6


def test_of_equal_values_the_first_gets_the_gradient() -> None:
    x = np.zeros((1, 2, 4, 1))
    x[0, 1, 1, 0] = x[0, 0, 2, 0] = x[0, 1, 3, 0] = 5.0
    dx = Net([MaxPool()], (2, 4, 1)).step(x).dx
    assert dx is not None
    np.testing.assert_array_equal(dx[0, :, :, 0], [[0, 0, 1, 0], [0, 1, 0, 0]])


@pytest.mark.parametrize("shape", [(5, 3), (4, 5, 3), (2, 2, 2, 3)])
def test_global_average(shape: tuple[int, ...]) -> None:
    x = normal((4, *shape))
    np.testing.assert_allclose(Net([GlobalAveragePool()], shape).step(x).outputs, x.reshape(4, -1, 3).mean(axis=1))
    assert check_gradients([GlobalAveragePool()], x) < 1e-6
    assert Net([GlobalAveragePool()], shape).step(x[:0]).outputs.shape == (0, 3)


@pytest.mark.parametrize(("shape", "groups"), [((4, 5, 6), 3), ((4, 5, 6), 1), ((7, 4), 2), ((6,), 2)])
def test_group_norm(shape: tuple[int, ...], groups: int) -> None:
    x = normal((3, *shape))
    net = Net([GroupNorm(groups, 1e-3)], shape)
    parts = x.reshape(3, -1, groups, shape[-1] // groups)
    centred = parts - parts.mean(axis=(1, 3), keepdims=True)
    expected = (centred / np.sqrt(parts.var(axis=(1, 3), keepdims=True) + 1e-3)).reshape(x.shape)
    own = net.params["0"]
    np.testing.assert_allclose(net.step(x).outputs, expected * own["gain"] + own["offset"], rtol=1e-10, atol=1e-12)
    assert check_gradients([GroupNorm(groups, 1e-3)], x) < 1e-6
    assert not net.step(x[:0]).grads.any()


@pytest.mark.parametrize(("shape", "groups"), [((6,), 2), ((2, 4), 1)])
def test_group_norm_of_samples_of_different_lengths_is_that_of_each(shape: tuple[int, ...], groups: int) -> None:
    lengths = np.array([3, 0, 7, 1])
    values = normal((4, 7, *shape))
    vector = normal((2 * shape[-1],))

    def step(x: Any, dy: Array) -> tuple[Array, Array, Array]:
        """Outputs, and the gradients of input and parameters."""
        model, gradient = Model([GroupNorm(groups, 1e-3)], spec_of(x), "float64"), np.full_like(vector, np.nan)
        ctx, grads = model.context(0, needs_input_grad=True), Gradients(model.layout.views(gradient))
        grads.begin()
        ctx.begin(training=True, groups=[Group(0, 0, len(dy))])
        y, backward = model.forward(x, model.layout.views(vector), ctx)
        y, dx = (y.values if isinstance(y, Ragged) else y).copy(), backward(dy.copy(), grads)
        grads.end()
        return y, dx, gradient

    dy = normal(values.shape)
    for row, length in zip(dy, lengths, strict=True):
        row[length:] = 0
    y, dx, gradient = step(Ragged(values, lengths), dy)
    total = np.zeros_like(vector)
    for row, length in enumerate(lengths):
        assert not dx[row, length:].any()
        if length:
            own = step(values[row : row + 1, :length], dy[row : row + 1, :length])
            np.testing.assert_allclose(y[row, :length], own[0][0], rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(dx[row, :length], own[1][0], rtol=1e-11, atol=1e-12)
            total += own[2]
    np.testing.assert_allclose(gradient, total, rtol=1e-11)


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (MaxPool(), (8,), r"max_pool takes samples of shape \(rows, columns, channels\) or .*, got \(8,\)"),
        (AveragePool(5), (4, 4, 1), "a window of 5 x 5 does not fit into 4 x 4"),
        (GlobalAveragePool(), (8,), "global_average_pool takes samples with positions and channels"),
        (GroupNorm(4), (8, 8, 6), "its 4 groups must divide the 6 channels"),
    ],
)
def test_misfits(layer: Layer, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Model([layer], shape)
