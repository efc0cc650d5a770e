import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, log_expit, ndtr

from dist_bp.errors import ConfigError
from dist_bp.nn import ACTIVATIONS, ActivationFunction, activation_function
from dist_bp.nn.activations.gelu import Gelu
from dist_bp.types import Array


def gelu(v: float) -> float:
    return v * math.erfc(-v / math.sqrt(2.0)) / 2.0


def gelu_of_tanh(v: float) -> float:
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


def apply(function: str | ActivationFunction, x: Array, in_place: bool = False) -> tuple[Array, Array]:
    y = x.copy() if in_place else np.empty_like(x)
    slope = np.empty_like(x)
    activation_function(function)(y if in_place else x, y, slope, np.empty_like(x))
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
    np.testing.assert_allclose(slope[3:], right[1], rtol=1e-6, atol=1e-30)


def test_gelu_by_tanh_is_close() -> None:
    x = np.linspace(-6, 6, 1001)
    y = apply(Gelu("tanh"), x)[0]
    np.testing.assert_allclose(y, [gelu_of_tanh(v) for v in x], rtol=1e-12, atol=1e-14)
    assert 1e-4 < np.abs(y - [gelu(v) for v in x]).max() < 5e-4


TAILS = np.unique(np.concatenate([np.linspace(-100, 100, 4001), np.linspace(-1, 1, 101), [0.0]]))
"""Over which logistic functions run through all numbers of float32 below 1."""


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 4e-7), ("float64", 1e-15)])
def test_logistic_functions_are_exact_in_the_tails(dtype: str, tolerance: float) -> None:
    """Relative to the value itself; below the smallest normal number, relative to the distance of numbers there."""
    x = TAILS.astype(dtype)
    exact, opposite = expit(x.astype(np.float64)), expit(-x.astype(np.float64))
    spacing = float(np.finfo(dtype).smallest_subnormal)
    for name, value, slope in (
        ("sigmoid", exact, exact * opposite),
        ("softplus", -log_expit(-x.astype(np.float64)), exact),
        ("silu", x * exact, None),
    ):
        y, own_slope = apply(name, x)
        np.testing.assert_allclose(y, value, rtol=tolerance, atol=2 * spacing * 100)
        if slope is not None:
            np.testing.assert_allclose(own_slope, slope, rtol=tolerance, atol=2 * spacing)
    np.testing.assert_allclose(apply("sigmoid", x)[0], exact, rtol=tolerance, atol=spacing)


def test_gelu_is_exact_in_both_dtypes() -> None:
    x = np.linspace(-12, 12, 4001)
    exact, bell = x * ndtr(x), x * np.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    for dtype, tolerance in (("float64", 2e-13), ("float32", 5e-6)):
        y, slope = apply("gelu", x.astype(dtype))
        single = x.astype(dtype).astype(np.float64)
        np.testing.assert_allclose(y, single * ndtr(single), rtol=tolerance)
        np.testing.assert_allclose(slope, ndtr(x) + bell, atol=tolerance)
    y, slope = apply("gelu", x.astype("float32"))
    assert np.abs(y - exact).max() < 2e-6
    zeros = apply("gelu", np.array([0.0, -0.0]))
    np.testing.assert_array_equal(zeros[0], 0.0)
    np.testing.assert_allclose(zeros[1], 0.5, rtol=1e-13)


def test_lookup() -> None:
    silu = activation_function("silu")
    assert activation_function(silu) is silu
    with pytest.raises(ConfigError, match="no activation 'swish': use one of relu, leaky_relu, elu, gelu"):
        activation_function("swish")
