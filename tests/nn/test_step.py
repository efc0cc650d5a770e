"""Whole steps: workers add up, nothing is allocated, no dtype creeps in, empty batches work."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dist_bp.nn import ACTIVATIONS, Group, Layer, Loss
from dist_bp.nn.layers.activation import Activation
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.reshape import Reshape
from dist_bp.nn.layers.residual import Residual
from dist_bp.nn.losses.binary_cross_entropy import BinaryCrossEntropy
from dist_bp.nn.losses.cross_entropy import CrossEntropy
from dist_bp.nn.losses.huber import Huber
from dist_bp.nn.losses.mean_absolute_error import MeanAbsoluteError
from dist_bp.nn.losses.mean_squared_error import MeanSquaredError
from tests.allocation import takes_less
from tests.nn.helpers import Net, groups_of, normal


def everything() -> list[Layer]:
    """Every layer and activation, from samples of (3, 4) to 4 units."""
    return [
        Flatten(),
        *(Activation(name) for name in ACTIVATIONS),
        Dropout(0.2),
        *(Dense(8, name) for name in ACTIVATIONS),
        BatchNorm(),
        Reshape((2, 4)),
        LayerNorm(),
        BatchNorm(),
        Flatten(),
        Residual([Dense(16, "relu", bias=False), BatchNorm(), Dropout(0.3), Dense(8)]),
        Dense(4),
    ]


def scores() -> list[Layer]:
    """As little as a loss needs."""
    return [Flatten(), Dense(4)]


LABELS = np.random.default_rng(0).integers(0, 4, 16384)
LOSSES: list[Loss] = [
    CrossEntropy(),
    CrossEntropy(0.1, [1.0, 2.0, 3.0, 4.0]),
    BinaryCrossEntropy(2.0),
    MeanSquaredError(),
    MeanAbsoluteError(),
    Huber(),
]


def targets_for(loss: Loss, rows: int, dtype: str) -> np.ndarray:
    labels = LABELS[:rows]
    return labels if isinstance(loss, CrossEntropy) else np.eye(4, dtype=dtype)[labels]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.integers(1, 40),
    size=st.integers(1, 9),
    workers=st.integers(1, 4),
    seed=st.integers(0, 100),
)
def test_workers_add_up_to_one(rows: int, size: int, workers: int, seed: int) -> None:
    """Groups spread over contexts give the sums of one context: gradients, statistics, loss."""
    net = Net(
        [Dense(7, "tanh"), BatchNorm(), Dropout(0.3), Residual([Dense(7), BatchNorm(), Dropout(0.2)]), Dense(4)],
        (5,),
    )
    loss = CrossEntropy(0.1)
    x, targets = normal((rows, 5), seed), np.random.default_rng(seed).integers(0, 4, rows)
    groups = groups_of(rows, size)
    whole = net.step(x, targets, loss, groups=groups)
    parts = []
    for worker in range(workers):
        own = groups[worker * len(groups) // workers : (worker + 1) * len(groups) // workers]
        start, stop = (own[0].start, own[-1].stop) if own else (0, 0)
        local = [Group(g.index, g.start - start, g.stop - start) for g in own]
        parts.append(net.step(x[start:stop], targets[start:stop], loss, net.context(), local))
    scale = np.abs(whole.grads).max()
    np.testing.assert_allclose(sum(p.grads for p in parts), whole.grads, rtol=1e-12, atol=1e-12 * scale, strict=True)
    np.testing.assert_allclose(sum(p.sums for p in parts), whole.sums, rtol=1e-12, atol=1e-12 * rows)
    assert sum(p.loss for p in parts) == pytest.approx(whole.loss, rel=1e-12)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layers", "loss"), [(everything, LOSSES[0]), *((scores, loss) for loss in LOSSES[1:])])
def test_no_array_is_allocated_after_the_first_step(
    layers: Callable[[], list[Layer]], loss: Loss, dtype: str, training: bool
) -> None:
    """The memory that a step takes, from tracemalloc, is less than one number for each sample."""
    most = len(LABELS)
    x = normal((most, 3, 4), dtype=dtype)
    targets = targets_for(loss, most, dtype)

    def step(net: Net, rows: int, groups: list[Group]) -> None:
        net.begin(net.ctx, rows, groups, training)
        outputs, backward = net.model.forward(x[:rows], net.params, net.ctx)
        _, _, dy = loss(outputs, targets[:rows], net.ctx)
        backward(dy, net.grad_views)

    def last_of(*batches: tuple[int, list[Group]]) -> Callable[[], None]:
        """The last of these steps, after the others."""
        net = Net(layers(), (3, 4), dtype)
        for batch in batches[:-1]:
            step(net, *batch)
        return partial(step, net, *batches[-1])

    full, uneven = (most, groups_of(most, 64)), (most - 3, groups_of(most - 3, 64))
    # NumPy casts bool to float through blocks of this many elements, which are not what is looked for.
    usual = np.setbufsize(256)
    try:
        assert takes_less(4 * most, lambda: last_of(full, uneven))
        assert takes_less(4 * most, lambda: last_of(full, uneven, full))
    finally:
        np.setbufsize(usual)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES)
def test_arrays_stay_in_the_dtype_of_the_model(loss: Loss, dtype: str, training: bool) -> None:
    net = Net(everything(), (3, 4), dtype)
    x = normal((12, 3, 4), dtype=dtype)
    net.begin(net.ctx, 12, training=training)
    outputs, backward = net.model.forward(x, net.params, net.ctx)
    value, _, dy = loss(outputs, targets_for(loss, 12, dtype), net.ctx)
    dx = backward(dy, net.grad_views)
    assert dx is not None
    assert outputs.dtype == dy.dtype == dx.dtype == net.vector.dtype == np.dtype(dtype)
    assert type(value) is float
    assert np.isfinite(net.grads).all()


def test_float32_follows_float64() -> None:
    single, double = Net(everything(), (3, 4), "float32"), Net(everything(), (3, 4), "float64")
    single.vector[:] = double.vector
    x = normal((16, 3, 4))
    # Dropout draws differ between the dtypes, so this compares evaluation.
    one = single.step(x.astype(np.float32), LABELS[:16], CrossEntropy(), training=False)
    two = double.step(x.astype(np.float32).astype(np.float64), LABELS[:16], CrossEntropy(), training=False)
    np.testing.assert_allclose(one.outputs, two.outputs, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(one.grads, two.grads, rtol=1e-2, atol=1e-4 * np.abs(two.grads).max())


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
def test_no_rows(loss: Loss, training: bool) -> None:
    """A worker whose shard of a batch is empty still writes its slot: zeros."""
    net = Net(everything(), (3, 4))
    net.step(normal((8, 3, 4)), targets_for(loss, 8, "float64"), loss)
    net.grads.fill(np.nan)
    net.sums.fill(np.nan)
    result = net.step(np.zeros((0, 3, 4)), targets_for(loss, 0, "float64"), loss, training=training)
    assert result.loss == 0.0
    assert result.outputs.shape == (0, 4)
    assert not result.grads.any()
    assert not training or not result.sums.any()


def test_backward_overwrites_and_inputs_stay() -> None:
    net = Net(everything(), (3, 4))
    x = normal((8, 3, 4))
    x.flags.writeable = net.vector.flags.writeable = net.running.flags.writeable = False
    net.params, net.statistics = net.model.layout.views(net.vector), net.model.statistics_layout.views(net.running)
    first = net.step(x, LABELS[:8], CrossEntropy())
    second = net.step(x, LABELS[:8], CrossEntropy())
    np.testing.assert_array_equal(first.grads, second.grads)
    np.testing.assert_array_equal(first.sums, second.sums)


def test_outputs_survive_backward() -> None:
    net = Net(everything(), (3, 4))
    net.begin(net.ctx, 8)
    outputs, backward = net.model.forward(normal((8, 3, 4)), net.params, net.ctx)
    kept = outputs.copy()
    backward(np.ones_like(outputs), net.grad_views)
    np.testing.assert_array_equal(outputs, kept)


def test_a_small_net_learns() -> None:
    net = Net([Dense(16, "relu"), Dense(2)], (2,), "float32", needs_input_grad=False)
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (256, 2)).astype(np.float32)
    labels = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    before = net.step(x, labels, CrossEntropy()).loss
    for _ in range(300):
        net.vector -= 0.5 / len(x) * net.step(x, labels, CrossEntropy()).grads
    assert net.step(x, labels, CrossEntropy()).loss < 0.25 * before
