"""The Gaussian error linear unit."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Literal

import numpy as np

from dist_bp.nn.activations.base import ActivationFunction
from dist_bp.options import Doc
from dist_bp.types import Array

DENSITY = 1.0 / math.sqrt(2.0 * math.pi)
"""Of the normal distribution at 0."""
FAR = 40.0
"""Beyond this the tail of the normal distribution is 0 in both dtypes; nothing overflows up to there."""


@dataclass(frozen=True)
class Gelu(ActivationFunction):
    """x * P(normal <= x), by the error function, or nearly so by tanh (Hendrycks & Gimpel 2016)."""

    approximate: Annotated[
        Literal["none", "tanh"],
        Doc("none: exact. tanh: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3))), at most 5e-4 away, twice as fast."),
    ] = "none"
    rectifier = True

    def __call__(self, x: Array, y: Array, slope: Array, scratch: Array) -> None:
        (_tanh_form if self.approximate == "tanh" else _exact)(x, y, slope, scratch)


def _exact(x: Array, y: Array, slope: Array, scratch: Array) -> None:
    """NumPy has no erf. The smaller tail T = P(normal > |x|) is exp(-x^2/2) times a polynomial in 1 / (1 + 0.3 |x|)."""
    np.absolute(x, out=scratch)
    np.clip(scratch, 0.0, FAR, out=scratch)
    scratch *= STRETCH
    scratch += 1.0
    np.divide(1.0, scratch, out=scratch)
    first, *rest, last = tail_coefficients(x.dtype.itemsize)
    np.multiply(scratch, first, out=slope)
    for coefficient in rest:
        slope += coefficient
        slope *= scratch
    slope += last
    _bell(x, scratch)
    slope *= scratch
    np.greater(x, 0.0, out=scratch)
    slope -= scratch
    np.absolute(slope, out=slope)  # P(normal <= x): T, or 1 - T
    _bell(x, scratch)  # once more: there is no fifth array
    scratch *= DENSITY
    scratch *= x
    np.multiply(x, slope, out=y)
    slope += scratch


def _bell(x: Array, out: Array) -> None:
    """exp(-x^2/2)."""
    np.clip(x, -FAR, FAR, out=out)
    np.multiply(out, out, out=out)
    out *= -0.5
    np.exp(out, out=out)


STRETCH = 0.3
"""Of x, chosen for the polynomial of the lowest degree."""
DEGREES = {4: (8, 14.0), 8: (22, FAR)}
"""By the bytes of a number: the degree of the polynomial, and up to where the tail is above the smallest number."""


@cache
def tail_coefficients(itemsize: int) -> tuple[float, ...]:
    """Of the polynomial in 1 / (1 + 0.3 z) that is P(normal > z) * exp(z^2/2), the highest power first.

    It goes through the exact values at Chebyshev's nodes; its relative error is 1e-7 or 4e-14.
    """
    degree, far = DEGREES[itemsize]
    nearest = 1.0 / (1.0 + STRETCH * far)
    nodes = nearest + (1.0 - nearest) * (np.polynomial.chebyshev.chebpts1(degree + 1) + 1.0) / 2.0
    values = [_scaled_tail((1.0 / node - 1.0) / STRETCH) for node in nodes]
    fit = np.polynomial.Chebyshev.fit(nodes, values, degree, domain=[nearest, 1.0])
    return tuple(fit.convert(kind=np.polynomial.Polynomial).coef[::-1].tolist())


def _scaled_tail(z: float) -> float:
    """P(normal > z) * exp(z^2/2); far out by Laplace's continued fraction, where the factors leave the numbers."""
    if z < 4.0:
        return math.erfc(z / math.sqrt(2.0)) * math.exp(z * z / 2.0) / 2.0
    fraction = z
    for step in range(100, 0, -1):
        fraction = z + step / fraction
    return DENSITY / fraction


def _tanh_form(x: Array, y: Array, slope: Array, scratch: Array) -> None:
    """Beyond |x| = 10 tanh is 1 to the last bit in both dtypes, so the cubic is only taken up to there."""
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
