"""Central differences in float64 for layers together, activations and losses; each layer alone is in the contract."""

import numpy as np
import pytest

from dist_bp.nn import (
    ACTIVATIONS,
    ActivationFunction,
    Backward,
    Context,
    Declaration,
    Gradients,
    Group,
    Layer,
    Loss,
    Sequential,
    Shape,
    Spec,
    Views,
    check_gradients,
)
from dist_bp.nn.activations.elu import Elu
from dist_bp.nn.activations.gelu import Gelu
from dist_bp.nn.activations.leaky_relu import LeakyRelu
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
from dist_bp.types import Array
from tests.nn.helpers import Net, away_from_zero, groups_of, normal

TOLERANCE = 1e-6
UNEVEN = [Group(4, 0, 3), Group(5, 3, 6), Group(6, 6, 7)]

LAYERS: dict[str, tuple[list[Layer], Shape]] = {
    "two dense": ([Dense(5, "tanh"), Dense(3)], (4,)),
    "dropout": ([Dense(6), Dropout(0.4), Dense(3)], (4,)),
    "batch_norm after dense": ([Dense(5), BatchNorm(), Activation("tanh"), Dense(3)], (4,)),
    "flatten": ([Flatten(), Dense(3)], (2, 3)),
    "reshape": ([Dense(6), Reshape((3, 2)), LayerNorm(), Flatten(), Dense(2)], (4,)),
    "residual with batch_norm": (
        [
            Dense(5),
            Residual([BatchNorm(), Activation("gelu"), Dense(6), Residual([Dense(6, "tanh")]), Dense(5)]),
            Dense(2),
        ],
        (4,),
    ),
    "residual of dropout": ([Residual([Dropout(0.3)]), Dense(3)], (4,)),
    "sequential": ([Sequential([Dense(5, "sigmoid"), Dense(4)]), Dense(2)], (3,)),
}


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("case", LAYERS)
def test_layers(case: str, training: bool) -> None:
    layers, shape = LAYERS[case]
    x = normal((7, *shape), seed=1)
    assert check_gradients(layers, x, groups=UNEVEN, training=training) <= TOLERANCE


@pytest.mark.parametrize("function", [LeakyRelu(0.3), LeakyRelu(1.7), Elu(0.3), Elu(1.7), Gelu("tanh")], ids=str)
def test_options_of_activations(function: ActivationFunction) -> None:
    assert check_gradients([Activation(function)], away_from_zero((5, 6))) <= TOLERANCE


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_fused_activations(name: str) -> None:
    # Inputs of one sign and the size of the noise on zero weights keep z near its bias, hence off the kink.
    x = 1e-3 * normal((5, 3), seed=3)
    assert check_gradients([Dense(8, name, initializer="zeros"), Dense(2)], x, seed=1) <= TOLERANCE


LABELS = np.array([0, 2, 1, 2, 3])
LOSSES: dict[str, tuple[Loss, int, Array]] = {
    "cross_entropy": (CrossEntropy(), 4, LABELS),
    "smoothed": (CrossEntropy(label_smoothing=0.1), 4, LABELS),
    "weighted": (CrossEntropy(class_weights=[0.5, 1.0, 2.0, 4.0]), 4, LABELS),
    "smoothed and weighted": (CrossEntropy(0.2, [0.5, 0.0, 2.0, 4.0]), 4, LABELS),
    "binary": (BinaryCrossEntropy(), 1, LABELS % 2),
    "binary weighted": (BinaryCrossEntropy(positive_weight=3.0), 1, LABELS % 2),
    "multi-label": (BinaryCrossEntropy(2.5), 3, (normal((5, 3)) > 0).astype(float)),
    "mse": (MeanSquaredError(), 3, normal((5, 3), seed=8)),
    "mse of one": (MeanSquaredError(), 1, normal((5,), seed=8)),
}


@pytest.mark.parametrize("case", LOSSES)
def test_losses(case: str) -> None:
    loss, units, targets = LOSSES[case]
    layers = [Dense(6, "tanh"), BatchNorm(), Dense(units)]
    error = check_gradients(layers, normal((5, 4)), loss=loss, targets=targets, groups=groups_of(5, 3))
    assert error <= TOLERANCE


DRAWN = {"dropout", "residual of dropout"}
"""Whose random numbers differ between the dtypes."""


@pytest.mark.parametrize("case", [*(case for case in LAYERS if case not in DRAWN), *ACTIVATIONS, *LOSSES])
def test_float32_has_the_same_gradients(case: str) -> None:
    """What differences cannot tell in float32: backpropagation in it is that in float64, up to rounding."""
    loss, units, targets = LOSSES.get(case, (None, 0, None))
    layers, shape = LAYERS.get(case, ([Dense(6, "tanh"), BatchNorm(), Dense(units)], (4,)) if loss else None) or (
        [Activation(case), Dense(8, case)],
        (6,),
    )
    x = 2.0 * away_from_zero((5 if loss else 7, *shape), seed=2)
    double, single = Net(layers, shape), Net(layers, shape, "float32")
    single.vector[:] = double.vector
    groups = groups_of(len(x), 3)
    exact = double.step(x, targets, loss, groups=groups)
    rounded = single.step(x.astype("float32"), targets, loss, groups=groups)
    assert rounded.outputs.dtype == rounded.grads.dtype == np.float32
    for name in ("outputs", "dx", "grads", "sums"):
        values, expected = getattr(rounded, name), getattr(exact, name)
        np.testing.assert_allclose(values, expected, rtol=2e-4, atol=2e-5 * np.abs(expected).max(initial=1.0))


@pytest.mark.parametrize("loss", [MeanAbsoluteError(), Huber(0.8)])
def test_losses_with_kinks(loss: Loss) -> None:
    outputs = normal((6, 3))
    errors = np.array([0.3, -0.5, 2.0, -1.5, 0.7, -0.9]).reshape(6, 1) * np.ones(3)
    assert check_gradients([Flatten()], outputs, loss=loss, targets=outputs - errors) <= TOLERANCE


class Wrong(Layer):
    """y = x^2 with a derivative that is 1% off, or not given."""

    def __init__(self, factor: float | None) -> None:
        self.factor = factor

    def declare(self, spec: Spec) -> Declaration:
        return Declaration(spec)

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        def backward(dy: Array, grads: Gradients) -> Array | None:
            return None if self.factor is None else self.factor * x * dy

        return x * x, backward


def test_the_check_notices_a_wrong_gradient() -> None:
    x = normal((3, 2))
    assert check_gradients([Wrong(2.0)], x) <= TOLERANCE
    assert check_gradients([Wrong(2.02)], x) == pytest.approx(0.02 / 2.02, rel=0.02)
    with pytest.raises(ValueError, match="no gradient of its input"):
        check_gradients([Wrong(None)], x)
    with pytest.raises(ValueError, match="targets"):
        check_gradients([Wrong(2.0)], x, loss=MeanSquaredError())


class Forgetful(Dense):
    """A dense layer that leaves its bias gradient unwritten."""

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        y, inner = super().forward(x, params, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            own = Gradients({"weight": grads.into("weight"), "bias": np.zeros(self.units)})
            own.begin()
            return inner(dy, own)

        return y, backward


def test_the_check_notices_an_unwritten_gradient() -> None:
    assert check_gradients([Forgetful(2)], normal((3, 2))) == 1.0
