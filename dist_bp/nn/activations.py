"""Activation functions: value and derivative in one pass, in place and without temporaries.

A function is called as `function(x, y, slope, scratch)`, four arrays of one shape, of which `y` may be `x`
itself. It writes f(x) into `y` and f'(x) into `slope`, and may use `scratch`. Backward is then `dy *=
slope` for all of them. Arrays of zeros rather than the scalar 0 are compared with where speed matters:
NumPy's vector loops ask for it.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np

from dist_bp.errors import ConfigError, OptionError
from dist_bp.options import OneOf
from dist_bp.types import Array


def logistic(x: Array, out: Array) -> None:
    """1 / (1 + exp(-x)) written as (1 + tanh(x / 2)) / 2, which overflows at neither end."""
    np.multiply(x, 0.5, out=out)
    np.tanh(out, out=out)
    out += 1.0
    out *= 0.5


class ActivationFunction(ABC):
    """An elementwise function. `rectifier`: it halves the variance, so that He initialization suits it."""

    rectifier: ClassVar[bool] = False

    @abstractmethod
    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        """Writes f(x) into `y` and f'(x) into `slope`."""


class Relu(ActivationFunction):
    """max(x, 0); the derivative at 0 is 0."""

    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        slope.fill(0.0)
        np.maximum(x, slope, out=y)
        np.greater(y, 0.0, out=slope)


@dataclass(frozen=True)
class LeakyRelu(ActivationFunction):
    """x for x > 0, else alpha * x (Maas et al. 2013)."""

    alpha: float = 0.01
    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        np.greater(x, 0.0, out=slope)
        slope *= 1.0 - self.alpha
        slope += self.alpha
        np.multiply(x, slope, out=y)


@dataclass(frozen=True)
class Elu(ActivationFunction):
    """x for x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2016, eq. 15)."""

    alpha: float = 1.0
    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        np.greater(x, 0.0, out=slope)
        slope *= 1.0 - self.alpha
        slope += self.alpha
        np.minimum(x, 0.0, out=scratch)
        np.expm1(scratch, out=scratch)
        scratch *= slope
        np.maximum(x, 0.0, out=y)
        y += scratch
        slope += scratch


class Gelu(ActivationFunction):
    """x/2 * (1 + tanh(u)), u = sqrt(2/pi) * (x + 0.044715 x^3): the tanh form of Hendrycks & Gimpel 2016.

    It differs from x * Phi(x) by at most 5e-4; NumPy has no erf. Beyond |x| = 10 tanh is 1 to the last bit
    in both dtypes, so the cubic is only taken up to there and cannot overflow.
    """

    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        c = math.sqrt(2.0 / math.pi)
        np.clip(x, -10.0, 10.0, out=scratch)
        np.multiply(scratch, scratch, out=slope)
        slope *= 0.044715 * c
        slope += c
        slope *= scratch  # u
        scratch *= -2.0 / 3.0 * c
        scratch += slope
        scratch *= 3.0  # x * du/dx = 3u - 2cx
        np.tanh(slope, out=slope)
        np.subtract(1.0, slope, out=slope)  # 1 - t
        scratch *= slope
        scratch += 1.0
        np.subtract(2.0, slope, out=slope)  # 1 + t
        np.multiply(x, slope, out=y)
        y *= 0.5
        slope *= scratch  # (1 + t) * (1 + (1 - t) * x * du/dx) is twice the derivative
        slope *= 0.5


class Silu(ActivationFunction):
    """x * logistic(x) (Elfwing et al. 2018)."""

    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        logistic(x, out=slope)
        np.subtract(1.0, slope, out=scratch)
        scratch *= x
        scratch += 1.0
        np.multiply(x, slope, out=y)
        slope *= scratch


class Tanh(ActivationFunction):
    """The hyperbolic tangent."""

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        np.tanh(x, out=y)
        np.multiply(y, y, out=slope)
        np.subtract(1.0, slope, out=slope)


class Sigmoid(ActivationFunction):
    """The logistic function."""

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        logistic(x, out=y)
        np.subtract(1.0, y, out=slope)
        slope *= y


class Softplus(ActivationFunction):
    """log(1 + exp(x)), written as max(x, 0) + log1p(exp(-|x|))."""

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        np.absolute(x, out=scratch)
        np.negative(scratch, out=scratch)
        np.exp(scratch, out=scratch)
        np.log1p(scratch, out=scratch)
        logistic(x, out=slope)
        np.maximum(x, 0.0, out=y)
        y += scratch


ACTIVATIONS: dict[str, type[ActivationFunction]] = {
    "relu": Relu,
    "leaky_relu": LeakyRelu,
    "elu": Elu,
    "gelu": Gelu,
    "silu": Silu,
    "tanh": Tanh,
    "sigmoid": Sigmoid,
    "softplus": Softplus,
}
ActivationName = Annotated[str, OneOf(ACTIVATIONS)]


def activation_function(choice: str | ActivationFunction, alpha: float | None = None) -> ActivationFunction:
    """The function of that name. Raises ConfigError for another name or an alpha that it does not take."""
    if isinstance(choice, ActivationFunction):
        return choice
    if choice not in ACTIVATIONS:
        raise ConfigError(f"there is no activation {choice!r}: use one of {', '.join(ACTIVATIONS)}")
    kind = ACTIVATIONS[choice]
    if alpha is None:
        return kind()
    if kind is LeakyRelu or kind is Elu:
        return kind(alpha)
    raise OptionError("alpha", f"belongs to leaky_relu and elu, {choice} has none: remove it")
