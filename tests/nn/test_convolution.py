"""Convolution against sums written out window by window, and the gradients of every option."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn import Layer, Model, check_gradients
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.conv1d import Conv1d
from dist_bp.nn.layers.conv2d import Conv2d
from dist_bp.nn.layers.convolution import convolution
from dist_bp.nn.layers.group_norm import GroupNorm
from dist_bp.nn.layers.im2col import Im2col
from dist_bp.nn.layers.max_pool import MaxPool
from dist_bp.nn.layers.mec import Mec
from dist_bp.nn.layers.windows import Windows, short_loops
from dist_bp.nn.layers.winograd import Winograd
from dist_bp.types import Array
from tests.allocation import takes_less
from tests.nn.helpers import Net, normal

OPTIONS: list[dict[str, Any]] = [
    {"kernel": 3},
    {"kernel": [2, 3], "padding": "valid"},
    {"kernel": 3, "stride": 2},
    {"kernel": 3, "stride": [1, 2], "padding": [0, 2]},
    {"kernel": 2, "dilation": 2, "padding": 1},
    {"kernel": 3, "dilation": [2, 1], "stride": 2},
    {"kernel": 1},
    {"kernel": 1, "stride": 2, "bias": False},
    {"kernel": 3, "groups": 2},
    {"kernel": 3, "groups": 4, "stride": 2},
    {"kernel": 1, "groups": 2},
    {"kernel": [5, 1]},
]


def name_of(value: Any) -> str:
    return " ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)


def written_out(layer: Conv2d, x: Array, weight: Array, bias: Array | None) -> Array:
    """Window by window; `same` by its definition, ceil(length / stride) outputs with the larger half after."""

    def both(value: Any) -> tuple[int, int]:
        return (value, value) if isinstance(value, int) else tuple(value)

    kernel, stride, dilation = both(layer.kernel), both(layer.stride), both(layer.dilation)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    if layer.padding == "same":
        total = [max((-(-n // s) - 1) * s + r - n, 0) for n, s, r in zip(x.shape[1:3], stride, reach, strict=True)]
        margins = [(t // 2, t - t // 2) for t in total]
    else:
        margins = [(m, m) for m in ((0, 0) if layer.padding == "valid" else both(layer.padding))]
    padded = np.pad(x, [(0, 0), *margins, (0, 0)])
    rows, columns = ((n - r) // s + 1 for n, r, s in zip(padded.shape[1:3], reach, stride, strict=True))
    filters, inputs = layer.filters // layer.groups, x.shape[-1] // layer.groups
    y = np.zeros((len(x), rows, columns, layer.filters))
    for n, r, c, f in np.ndindex(y.shape):
        group = f // filters
        for i, j, k in product(range(kernel[0]), range(kernel[1]), range(inputs)):
            pixel = padded[n, r * stride[0] + i * dilation[0], c * stride[1] + j * dilation[1], group * inputs + k]
            y[n, r, c, f] += pixel * weight[i, j, k, f]
    return y if bias is None else y + bias


CASES = [(channels, options) for options in OPTIONS for channels in (1, 4) if channels >= options.get("groups", 1)]


@pytest.mark.parametrize(("channels", "options"), CASES, ids=name_of)
def test_images(channels: int, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = Conv2d(4, **options), normal((3, 6, 5, channels))
    net = Net([layer], x.shape[1:])
    expected = written_out(layer, x, net.params["0"]["weight"], net.params["0"].get("bias"))
    np.testing.assert_allclose(net.step(x).outputs, expected, rtol=1e-12, atol=1e-12)
    assert check_gradients([Conv2d(4, **options, activation="tanh")], x[:2]) < 1e-6
    whole = net.step(x)
    for way in ("im2col", "mec"):
        monkeypatch.setattr(f"dist_bp.nn.layers.{way}.BLOCK_BYTES", 700)  # a few windows
    parts = net.step(x)
    np.testing.assert_allclose(parts.outputs, whole.outputs, rtol=1e-12)
    np.testing.assert_allclose(parts.grads, whole.grads, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(parts.dx, whole.dx, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("least", [2, 99], ids=["winograd", "mec"])
@pytest.mark.parametrize("padding", ["same", "valid", 2, [0, 1]])
@pytest.mark.parametrize("shape", [(6, 5), (7, 8), (3, 4)])
def test_windows_next_to_each_other(
    shape: tuple[int, int], padding: Any, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even and odd numbers of windows, one image a block, against the sums written out."""
    monkeypatch.setattr("dist_bp.nn.layers.convolution.LEAST_CHANNELS", least)
    monkeypatch.setattr("dist_bp.nn.layers.winograd.BLOCK_BYTES", 1)
    monkeypatch.setattr("dist_bp.nn.layers.mec.BLOCK_BYTES", 1)
    layer, x = Conv2d(3, 3, padding=padding), normal((2, *shape, 2))
    net = Net([layer], x.shape[1:])
    expected = written_out(layer, x, net.params["0"]["weight"], net.params["0"]["bias"])
    np.testing.assert_allclose(net.step(x).outputs, expected, rtol=1e-12, atol=1e-12)
    assert check_gradients([Conv2d(3, 3, padding=padding, activation="tanh")], x) < 1e-6


@pytest.mark.parametrize(("channels", "kind"), [(32, Winograd), (16, Mec)])
def test_float32_and_blocks_of_unequal_size(channels: int, kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against im2col, for the channels that choose something else; the first layer needs no gradient of its input."""
    x, windows = normal((70, 9, 8, channels), dtype="float32"), Windows.over((9, 8), (3, 3), (1, 1), (1, 1), "same")
    assert isinstance(convolution(windows, channels, 40, 1), kind)
    for needs_input_grad in (True, False):
        net = Net([Conv2d(40, 3, activation="relu")], x.shape[1:], "float32", needs_input_grad)
        fast = net.step(x)
        with monkeypatch.context() as patch:
            patch.setattr("dist_bp.nn.layers.convolving.convolution", Im2col)
            plain = net.step(x)
        pairs = [(fast.outputs, plain.outputs), (fast.grads, plain.grads)]
        if fast.dx is not None and plain.dx is not None:
            pairs.append((fast.dx, plain.dx))
        assert len(pairs) == 2 + needs_input_grad
        for one, other in pairs:
            np.testing.assert_allclose(one, other, rtol=0, atol=1e-5 * float(np.abs(other).max()))


def test_short_loops_end() -> None:
    usual = np.getbufsize()
    with short_loops():
        assert np.getbufsize() < usual
    assert np.getbufsize() == usual


def test_a_block_of_convolution_allocates_nothing_again() -> None:
    layers: list[Layer] = [Conv2d(8, 3, activation="relu"), MaxPool(), Conv2d(8, 3, 2), BatchNorm(), GroupNorm(2)]
    x = normal((512, 8, 8, 8))

    def prepare() -> Callable[[], object]:
        net = Net(layers, x.shape[1:])
        dy = np.ones((len(x), 2, 2, 8))

        def step() -> None:
            net.begin(net.ctx, len(x))
            net.model.forward(x, net.params, net.ctx)[1](dy, net.grad_views)

        step()
        return step

    usual = np.setbufsize(256)  # for casts, which are not what is looked for
    try:
        assert takes_less(x.nbytes // 16, prepare)
    finally:
        np.setbufsize(usual)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": 3},
        {"kernel": 4, "stride": 2, "padding": "valid"},
        {"kernel": 3, "dilation": 2, "padding": 1, "groups": 2},
    ],
    ids=name_of,
)
def test_sequences_are_images_of_one_column(options: dict[str, Any]) -> None:
    x = normal((2, 9, 4))
    net = Net([Conv1d(6, **options)], (9, 4))
    margin = options.get("padding", "same")
    wide = Conv2d(
        6,
        [options["kernel"], 1],
        [options.get("stride", 1), 1],
        margin if isinstance(margin, str) else [margin, 0],
        [options.get("dilation", 1), 1],
        options.get("groups", 1),
    )
    weight = net.params["0"]["weight"][:, None]
    expected = written_out(wide, x[:, :, None], weight, net.params["0"]["bias"])
    np.testing.assert_allclose(net.step(x).outputs, expected[:, :, 0], rtol=1e-12, atol=1e-12)
    assert check_gradients([Conv1d(6, **options, activation="silu")], x) < 1e-6


def test_two_in_a_row_and_no_samples() -> None:
    layers: list[Layer] = [Conv2d(3, 3, 2, activation="gelu"), Conv2d(2, 2)]
    assert check_gradients(layers, normal((3, 7, 6, 2))) < 1e-6
    net = Net(layers, (7, 6, 2))
    assert not net.step(np.zeros((0, 7, 6, 2))).grads.any()


@pytest.mark.parametrize(
    ("make", "shape", "message"),
    [
        (lambda: Conv2d(4, 3), (28, 28), r"conv2d takes samples of shape \(rows, columns, channels\), got \(28, 28\)"),
        (lambda: Conv1d(4, 3), (28,), r"conv1d takes samples of shape \(positions, channels\)"),
        (lambda: Conv2d(4, 3, groups=2), (8, 8, 3), "its 2 groups must divide the 3 channels"),
        (lambda: Conv2d(4, 5, padding="valid"), (4, 8, 1), "a window of 5 x 5 does not fit into 4 x 8"),
    ],
)
def test_misfits(make: Any, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Model([make()], shape)


def test_options_out_of_range() -> None:
    with pytest.raises(ConfigError, match="groups: must divide the 4 filters"):
        Conv2d(4, 3, groups=3)
    with pytest.raises(ConfigError, match="kernel"):
        Conv2d(4, [3, 3, 3])
