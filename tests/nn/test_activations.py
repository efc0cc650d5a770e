import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.errors import ConfigError
from dist_bp.nn import ACTIVATIONS, activation_function
from dist_bp.types import Array


def gelu(v: float) -> float:
    return 0.5 * v * (1.0 + math.tanh(math.sqrt(2.0 / math.pi) * (v + 0.044715 * v**3)))


def sigmoid(v: float) -> float:
    return 1.0 / (1.0 + math.exp(-v)) if v > 0 else math.exp(v) / (1.0 + math.exp(v))


REFERENCES = {
    "relu": lambda v: max(v, 0.0),
    "leaky_relu": lambda v: v if v > 0 else 0.01 * v,
    "elu": lambda v: v if v > 0 else math.expm1(v),
    "gelu": gelu,
    "silu": lambda v: v * sigmoid(v),
    "tanh": math.tanh,
    "sigmoid": sigmoid,
    "softplus": lambda v: max(v, 0.0) + math.log1p(math.exp(-abs(v))),
}


def apply(name: str, x: Array, in_place: bool = False) -> tuple[Array, Array]:
    y = x.copy() if in_place else np.empty_like(x)
    slope = np.empty_like(x)
    activation_function(name)(y if in_place else x, y, slope, np.empty_like(x))
    return y, slope


@pytest.mark.parametrize("name", ACTIVATIONS)
@given(values=st.lists(st.floats(-30, 30), min_size=1, max_size=20))
def test_values(name: str, values: list[float]) -> None:
    x = np.array(values)
    y, slope = apply(name, x)
    np.testing.assert_allclose(y, [REFERENCES[name](v) for v in values], rtol=1e-12, atol=1e-14)
    again, slope_again = apply(name, x, in_place=True)
    np.testing.assert_array_equal(again, y)
    np.testing.assert_array_equal(slope_again, slope)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_far_from_zero(name: str, dtype: str) -> None:
    """Finite, with the right limits, and no warning of overflow."""
    x = np.array([-1e30, -1e4, -100.0, 100.0, 1e4, 1e30], dtype)
    y, slope = apply(name, x)
    assert y.dtype == slope.dtype == x.dtype
    left = {"leaky_relu": (x[:3] * 0.01, 0.01), "elu": (-1.0, 0.0), "tanh": (-1.0, 0.0)}.get(name, (0.0, 0.0))
    right = {"tanh": (1.0, 0.0), "sigmoid": (1.0, 0.0)}.get(name, (x[3:], 1.0))
    np.testing.assert_allclose(y[:3], np.broadcast_to(left[0], 3), rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(slope[:3], left[1], rtol=1e-6, atol=1e-30)
    np.testing.assert_allclose(y[3:], np.broadcast_to(right[0], 3), rtol=1e-6)
    np.testing.assert_allclose(slope[3:], right[1], rtol=1e-6)


def test_gelu_is_close_to_its_definition() -> None:
    x = np.linspace(-6, 6, 1001)
    exact = np.array([0.5 * v * (1.0 + math.erf(v / math.sqrt(2.0))) for v in x])
    assert np.abs(apply("gelu", x)[0] - exact).max() < 5e-4


def test_lookup() -> None:
    silu = activation_function("silu")
    assert activation_function(silu) is silu
    with pytest.raises(ConfigError, match="no activation 'swish': use one of relu, leaky_relu, elu, gelu"):
        activation_function("swish")
    with pytest.raises(ConfigError, match="alpha: belongs to leaky_relu and elu, tanh has none"):
        activation_function("tanh", 0.1)
