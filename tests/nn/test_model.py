import pickle

import numpy as np
import pytest

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn import Field, Layer, LayerSummary, Layout, Model, aligned_zeros
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.conv2d import Conv2d
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.max_pool import MaxPool
from dist_bp.nn.layers.residual import Residual
from dist_bp.signals import POSITIONS
from dist_bp.types import Shape
from tests.nn.helpers import Net, normal

LAYERS = [
    Flatten(),
    Dense(5, "relu"),
    Residual([BatchNorm(0.8), Dense(5, bias=False), LayerNorm()]),
    BatchNorm(0.5),
    Dropout(0.1),
    Dense(2),
]


def test_layout_nests_and_shares_memory() -> None:
    layout = Layout([("0.weight", (2, 3)), ("0.bias", (3,)), ("2.layers.0.gain", (4,))])
    vector = np.arange(13.0)
    views = layout.views(vector)
    assert layout.size == 13
    np.testing.assert_array_equal(views["0"]["weight"], np.arange(6.0).reshape(2, 3))
    views["2"]["layers"]["0"]["gain"][-1] = -1.0
    assert vector[-1] == -1.0
    with pytest.raises(ValueError, match="13 elements"):
        layout.views(np.zeros(12))


def test_layout_slices_merge_what_is_adjacent() -> None:
    layout = Layout([("a", (2,)), ("b", (3,)), ("c", (1,)), ("d", (4,))])
    assert layout.slices(lambda name: name in "ab") == ((0, 5),)
    assert layout.slices(lambda name: name in "abd") == ((0, 5), (6, 10))
    assert layout.slices(lambda name: False) == ()


@pytest.mark.parametrize("size", [0, 1, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_aligned_zeros(size: int, dtype: str) -> None:
    array = aligned_zeros(size, dtype)
    assert array.shape == (size,)
    assert array.dtype == dtype
    assert not array.any()
    assert size == 0 or array.ctypes.data % 64 == 0


def test_names_follow_the_configuration() -> None:
    model = Model(LAYERS, (2, 3))
    assert [entry.name for entry in model.layout.entries] == [
        "1.weight",
        "1.bias",
        "2.layers.0.gain",
        "2.layers.0.offset",
        "2.layers.1.weight",
        "2.layers.2.gain",
        "2.layers.2.offset",
        "3.gain",
        "3.offset",
        "5.weight",
        "5.bias",
    ]
    assert [entry.name for entry in model.statistics_layout.entries] == [
        "2.layers.0.mean",
        "2.layers.0.variance",
        "3.mean",
        "3.variance",
    ]
    np.testing.assert_allclose(model.statistic_momentum, [0.8] * 10 + [0.5] * 10, rtol=1e-7)
    assert model.statistic_momentum.dtype == np.float32


def test_weight_decay_is_for_weights() -> None:
    model = Model(LAYERS, (2, 3))
    weights = [entry for entry in model.layout.entries if entry.name.endswith("weight")]
    assert model.decayed == tuple((entry.offset, entry.stop) for entry in weights)


def test_summary() -> None:
    summary = Model(LAYERS, (2, 3)).summary()
    assert summary[:4] == [
        LayerSummary("0", "flatten", Field((6,)), 0),
        LayerSummary("1", "dense", Field((5,)), 35),
        LayerSummary("2", "residual", Field((5,)), 10 + 25 + 10),
        LayerSummary("3", "batch_norm", Field((5,)), 10),
    ]
    assert sum(line.parameters for line in summary) == Model(LAYERS, (2, 3)).layout.size


@pytest.mark.parametrize(
    ("layers", "shape", "rows"),
    [
        ([Dense(1000)], (784,), 1024),
        ([Conv2d(32, 3), MaxPool()], (64, 64, 3), 128),
        ([Residual([Conv2d(32, 3), Conv2d(3, 3)])], (64, 64, 3), 128),
        ([Dense(2)], (2**22,), 32),
    ],
)
def test_fewer_samples_of_large_signals_go_through_the_layers_at_a_time(
    layers: list[Layer], shape: Shape, rows: int
) -> None:
    assert Model(layers, shape).at_a_time.rows == rows


def test_positions_at_a_time_are_those_of_samples_as_long_as_the_specification_says() -> None:
    for longest, rows in ((None, 256), (1024, 64), (2**20, 32)):
        model = Model([Dense(256)], Field((256,), ragged=True, longest=longest))
        assert model.at_a_time == (rows, rows * (longest or POSITIONS))
    assert Model([Dense(8)], Field((8,), ragged=True)).at_a_time == (1024, 2**26 // (4 * 8))


def test_initialization_depends_on_seed_and_name_alone() -> None:
    model = Model([Dense(4), Dense(3)], Field((5,)), "float64")
    wider = Model([Dense(4, bias=False), Dense(3), Dense(9)], Field((5,)), "float64")
    first, second = model.layout.views(model.initialize(1)[0]), wider.layout.views(wider.initialize(1)[0])
    for name in ("0", "1"):
        np.testing.assert_array_equal(first[name]["weight"], second[name]["weight"])
    assert (model.initialize(1)[0] != model.initialize(2)[0]).any()
    single = Model([Dense(4), Dense(3)], Field((5,)), "float32").initialize(1)[0]
    np.testing.assert_array_equal(single, model.initialize(1)[0].astype(np.float32))


def test_initial_statistics() -> None:
    model = Model([BatchNorm()], (3,))
    np.testing.assert_array_equal(model.initialize(0)[1], [0, 0, 0, 1, 1, 1])


@pytest.mark.parametrize("needed", [True, False])
def test_no_input_gradient_of_the_first_parameters(needed: bool) -> None:
    layers = [Flatten(), Dropout(0.2), Residual([Dense(6, "tanh")]), Dense(3)]
    net = Net(layers, (2, 3), needs_input_grad=needed)
    result = net.step(normal((5, 2, 3)))
    assert (result.dx is not None) == needed
    assert np.isfinite(result.grads).all()
    reference = Net(layers, (2, 3)).step(normal((5, 2, 3)))
    np.testing.assert_array_equal(result.grads, reference.grads)


def test_the_model_refuses_other_inputs() -> None:
    net = Net([Dense(2)], (3,), "float32")
    with pytest.raises(ShapeError, match="samples of 3 in float32, got 4 in float32"):
        net.step(normal((2, 4), dtype="float32"))
    with pytest.raises(ShapeError, match="float64"):
        net.step(normal((2, 3)))
    with pytest.raises(ConfigError, match="float32 or float64, not in float16"):
        Model([Dense(2)], (3,), "float16")  # type: ignore[arg-type]


def test_models_travel() -> None:
    model = pickle.loads(pickle.dumps(Model(LAYERS, (2, 3))))
    np.testing.assert_array_equal(model.initialize(7)[0], Model(LAYERS, (2, 3)).initialize(7)[0])
    assert model.decayed == Model(LAYERS, (2, 3)).decayed
