"""What each layer computes, against references written out with plain sums, and which shapes it refuses."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn import Gradients, Group, Layer, Model, Ragged
from dist_bp.nn.activations.elu import Elu
from dist_bp.nn.layers.activation import Activation
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.reshape import Reshape
from dist_bp.nn.layers.residual import Residual
from dist_bp.signals import Field
from dist_bp.types import Array
from tests.nn.helpers import Net, groups_of, normal


def standardized(values: list[float], epsilon: float) -> tuple[list[float], float, float]:
    mean = math.fsum(values) / len(values)
    variance = math.fsum((v - mean) ** 2 for v in values) / len(values)
    return [(v - mean) / math.sqrt(variance + epsilon) for v in values], mean, variance


def test_dense() -> None:
    net = Net([Dense(2, "relu")], (3,))
    x = normal((4, 3))
    weight, bias = net.params["0"]["weight"], net.params["0"]["bias"]
    outputs = net.step(x).outputs
    for row, unit in np.ndindex(4, 2):
        z = math.fsum(x[row, k] * weight[k, unit] for k in range(3)) + bias[unit]
        assert outputs[row, unit] == pytest.approx(max(z, 0.0), abs=1e-14)


@pytest.mark.parametrize("sizes", [(4, 4), (4, 4, 2), (3, 1), (1,), (2, 5, 5, 2)])
@pytest.mark.parametrize("shape", [(3,), (2, 3)])
def test_batch_norm_of_groups(sizes: tuple[int, ...], shape: tuple[int, ...]) -> None:
    net = Net([BatchNorm(epsilon=1e-3)], shape)
    net.statistics["0"]["mean"][:] = [-1.0, 0.5, 2.0]
    net.statistics["0"]["variance"][:] = [2.0, 3.0, 5.0]
    stops = np.cumsum(sizes).tolist()
    groups = [Group(i, stop - size, stop) for i, (size, stop) in enumerate(zip(sizes, stops, strict=True))]
    x = normal((sum(sizes), *shape))
    result = net.step(x, groups=groups)
    gain, offset = net.params["0"]["gain"], net.params["0"]["offset"]
    sums = np.zeros((2, 3))
    for group, size in zip(groups, sizes, strict=True):
        for feature in range(3):
            block = x[group.start : group.stop, ..., feature]
            normal_values, mean, variance = standardized(block.reshape(-1).tolist(), 1e-3)
            if block.size == 1:  # which has no variance
                mean, variance = (net.statistics["0"][name][feature] for name in ("mean", "variance"))
                normal_values = [(block.item() - mean) / math.sqrt(variance + 1e-3)]
            expected = np.reshape(normal_values, block.shape) * gain[feature] + offset[feature]
            np.testing.assert_allclose(
                result.outputs[group.start : group.stop, ..., feature], expected, rtol=1e-12, atol=1e-12
            )
            sums[:, feature] += size * mean, size * variance * block.size / max(block.size - 1, 1)
    np.testing.assert_allclose(net.model.statistics_layout.views(result.sums)["0"]["mean"], sums[0], rtol=1e-12)
    np.testing.assert_allclose(net.model.statistics_layout.views(result.sums)["0"]["variance"], sums[1], atol=1e-12)


def test_batch_norm_of_different_lengths_counts_the_positions_that_there_are() -> None:
    """Also for a group without any: it leaves the running averages."""
    lengths, groups = np.array([3, 1, 0, 0, 5]), [Group(0, 0, 2), Group(1, 2, 4), Group(2, 4, 5)]
    x = normal((5, 8, 2))
    model = Model([BatchNorm()], Field((2,), ragged=True), "float64")
    running = model.statistics_layout.views(model.initialize(0)[1])
    sums = np.full(model.statistics_layout.size, np.nan)
    views = Gradients(model.statistics_layout.views(sums))
    ctx = model.context(0)
    ctx.begin(training=True, groups=groups, statistics=running, sums=views)
    y, _ = model.forward(Ragged(x, lengths), model.layout.views(model.initialize(0)[0]), ctx)
    mean, variance = np.zeros(2), 2.0 * np.ones(2)
    for group in (groups[0], groups[2]):
        rows = np.concatenate([x[i, : lengths[i]] for i in range(group.start, group.stop)])
        found = np.concatenate([y.values[i, : lengths[i]] for i in range(group.start, group.stop)])
        np.testing.assert_allclose(found, (rows - rows.mean(0)) / np.sqrt(rows.var(0) + 1e-5), rtol=1e-12)
        mean += (group.stop - group.start) * rows.mean(0)
        variance += (group.stop - group.start) * rows.var(0, ddof=1)
    expected = {"mean": mean, "variance": variance}
    for name, values in model.statistics_layout.views(sums)["0"].items():
        np.testing.assert_allclose(values, expected[name], rtol=1e-12)


def test_batch_norm_averages_unbiased_variances() -> None:
    """As in algorithm 2 of the paper and in PyTorch: those of small groups average to the variance of the samples."""
    x = 3.0 * normal((4000, 2))
    for size in (2, 5, 4000):
        net = Net([BatchNorm()], (2,))
        net.step(x, groups=groups_of(4000, size))
        np.testing.assert_allclose(net.running_sums["0"]["variance"] / 4000, 9.0, rtol=0.1)
    np.testing.assert_allclose(net.running_sums["0"]["variance"] / 4000, x.var(axis=0, ddof=1), rtol=1e-12)


def test_batch_norm_evaluates_with_running_statistics() -> None:
    net = Net([BatchNorm(epsilon=1e-3)], (2,))
    net.statistics["0"]["mean"][:] = [1.0, -2.0]
    net.statistics["0"]["variance"][:] = [4.0, 0.25]
    x = normal((3, 2))
    result = net.step(x, training=False, groups=())
    gain, offset = net.params["0"]["gain"], net.params["0"]["offset"]
    expected = (x - [1.0, -2.0]) / np.sqrt(np.array([4.0, 0.25]) + 1e-3) * gain + offset
    np.testing.assert_allclose(result.outputs, expected, rtol=1e-12)
    assert not result.sums.any()


def test_layer_norm() -> None:
    net = Net([LayerNorm(epsilon=1e-3)], (2, 5))
    x = normal((3, 2, 5))
    outputs = net.step(x).outputs
    for row, position in np.ndindex(3, 2):
        values, _, _ = standardized(x[row, position].tolist(), 1e-3)
        expected = np.array(values) * net.params["0"]["gain"] + net.params["0"]["offset"]
        np.testing.assert_allclose(outputs[row, position], expected, rtol=1e-12, atol=1e-14)


def test_residual() -> None:
    inner = Net([Dense(3, "tanh"), Dense(4)], (4,))
    outer = Net([Residual([Dense(3, "tanh"), Dense(4)])], (4,))
    outer.vector[:] = inner.vector
    x = normal((5, 4))
    np.testing.assert_allclose(outer.step(x).outputs, x + inner.step(x).outputs, rtol=1e-14)


def test_flatten_and_reshape_keep_the_order() -> None:
    x = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(Net([Flatten()], (3, 4)).step(x).outputs, x.reshape(2, 12))
    np.testing.assert_array_equal(Net([Reshape([2, 6])], (3, 4)).step(x).outputs, x.reshape(2, 2, 6))


class TestDropout:
    rate = 0.3

    def mask(self, rows: int = 8, **keys: object) -> Array:
        net = Net([Dropout(self.rate)], (50,))
        return net.step(np.ones((rows, 50)), **keys).outputs  # type: ignore[arg-type]

    def test_keeps_the_mean(self) -> None:
        mask = self.mask(rows=400)
        assert set(np.unique(mask)) == {0.0, 1 / 0.7}
        assert (mask == 0).mean() == pytest.approx(self.rate, abs=4 * math.sqrt(0.3 * 0.7 / mask.size))

    def test_backward_goes_through_the_same_mask(self) -> None:
        result = Net([Dropout(self.rate)], (50,)).step(np.ones((8, 50)))
        np.testing.assert_array_equal(result.dx, result.outputs)

    def test_belongs_to_step_and_group_alone(self) -> None:
        mask = self.mask()
        np.testing.assert_array_equal(mask, self.mask())
        second = self.mask(rows=4, groups=[Group(1, 0, 4)])
        np.testing.assert_array_equal(mask[4:], second)
        assert (mask[:4] != mask[4:]).any()
        assert (mask != self.mask(step=6)).any()

    def test_differs_between_layers_and_seeds(self) -> None:
        net = Net([Dropout(self.rate), Flatten(), Dropout(self.rate)], (50,))
        both = net.step(np.ones((8, 50))).outputs
        assert (both > 0).mean() == pytest.approx(0.7 * 0.7, abs=0.1)
        other = Net([Dropout(self.rate)], (50,))
        assert (other.step(np.ones((8, 50)), ctx=other.context(seed=1)).outputs != self.mask()).any()

    def test_evaluation_and_rate_zero_pass_through(self) -> None:
        x = normal((8, 50))
        np.testing.assert_array_equal(Net([Dropout(0.5)], (50,)).step(x, training=False).outputs, x)
        np.testing.assert_array_equal(Net([Dropout(0.0)], (50,)).step(x).outputs, x)


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        (
            [Dense(10)],
            (),
            "layer 0: dense needs samples with an axis of features, got single numbers",
        ),
        ([Flatten(), Reshape((5, 5))], (4, 6), r"layer 1: reshape to \(5, 5\) needs 25 values.* \(24,\) has 24"),
        ([Residual([Dense(3)])], (4,), "layer 0: residual adds 4 to what its layers make of it, 3: .*`shortcut`"),
        (
            [Dense(4), Residual([Reshape((2, 3)), Dense(4)])],
            (3,),
            "layer 1: layers: layer 0: reshape .* needs 6 values",
        ),
        ([LayerNorm()], (), "layer 0: layer_norm needs samples with an axis of features"),
    ],
)
def test_misfits(layers: list[Layer], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        Model(layers, shape)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Dense(0), "Dense: units: must be at least 1, got 0"),
        (lambda: Dropout(1.0), "Dropout: rate: must be less than 1, got 1.0"),
        (lambda: BatchNorm(momentum=1.5), "BatchNorm: momentum: must be less than 1, got 1.5"),
        (lambda: BatchNorm(epsilon=0.0), "BatchNorm: epsilon: must be greater than 0, got 0.0"),
        (lambda: LayerNorm(epsilon=-1.0), "LayerNorm: epsilon: must be greater than 0, got -1.0"),
        (lambda: Activation("rleu"), "Activation: function: must be one of relu, leaky_relu"),
        (lambda: Elu(alpha=-1.0), "Elu: alpha: must be at least 0, got -1.0"),
    ],
)
def test_hyperparameters_out_of_range(make: Callable[[], Layer], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_default_initializer_of_dense_follows_its_activation() -> None:
    def variance(layer: Dense) -> float:
        vector, _ = Model([layer], (400,)).initialize(0)
        return float(vector[: 400 * 100].var())

    assert variance(Dense(100, "relu")) == pytest.approx(2 / 400, rel=0.03)
    assert variance(Dense(100, "tanh")) == pytest.approx(2 / 500, rel=0.03)
    assert variance(Dense(100)) == pytest.approx(2 / 500, rel=0.03)
    assert variance(Dense(100, "relu", initializer="lecun_normal")) == pytest.approx(1 / 400, rel=0.03)
