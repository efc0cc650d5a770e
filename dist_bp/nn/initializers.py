"""How parameters begin.

Values are drawn in float64 whatever the model's dtype, so that both dtypes start alike.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from dist_bp.errors import ConfigError
from dist_bp.options import OneOf
from dist_bp.types import Array, Shape


class Initializer(ABC):
    """Draws a parameter of a given shape; the last axis is the output, the one before it the input."""

    @abstractmethod
    def __call__(self, generator: np.random.Generator, shape: Shape) -> Array:
        """A new float64 array of `shape`."""

    @property
    @abstractmethod
    def description(self) -> str:
        """What is drawn, in a line."""


@dataclass(frozen=True)
class Constant(Initializer):
    """Every element is `value`."""

    value: float

    @property
    def description(self) -> str:
        return f"Every element is {self.value:g}."

    def __call__(self, generator: np.random.Generator, shape: Shape) -> Array:
        return np.full(shape, self.value)


@dataclass(frozen=True)
class Normal(Initializer):
    """Normal with mean 0, whatever the shape."""

    deviation: float

    @property
    def description(self) -> str:
        return f"Normal with mean 0 and standard deviation {self.deviation:g}."

    def __call__(self, generator: np.random.Generator, shape: Shape) -> Array:
        return generator.normal(0.0, self.deviation, shape)


@dataclass(frozen=True)
class VarianceScaling(Initializer):
    """Zero mean, variance scale / fan.

    Fan "in" with scale 1 is LeCun et al. 1998 (Efficient backprop), with scale 2 He et al. 2015 (eq. 10); fan
    "average" with scale 1 is Glorot & Bengio 2010 (eq. 16 in its uniform form).
    """

    scale: float
    fan: Literal["in", "average"]
    distribution: Literal["uniform", "normal"]

    @property
    def description(self) -> str:
        fan = "inputs" if self.fan == "in" else "average of inputs and outputs"
        return f"Mean 0, variance {self.scale:g} / {fan}, {self.distribution}."

    def __call__(self, generator: np.random.Generator, shape: Shape) -> Array:
        fan_in, fan_out = fans(shape)
        fan = fan_in if self.fan == "in" else (fan_in + fan_out) / 2
        deviation = math.sqrt(self.scale / fan)
        if self.distribution == "normal":
            return generator.normal(0.0, deviation, shape)
        limit = math.sqrt(3.0) * deviation
        return generator.uniform(-limit, limit, shape)


@dataclass(frozen=True)
class Orthogonal(Initializer):
    """Orthonormal rows or columns, whichever are fewer (Saxe et al. 2014), uniform over such matrices."""

    @property
    def description(self) -> str:
        return "Orthonormal rows or columns, whichever are fewer."

    def __call__(self, generator: np.random.Generator, shape: Shape) -> Array:
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(generator.normal(size=(max(rows, columns), min(rows, columns))))
        q *= np.copysign(1.0, np.diagonal(r))
        return (q if rows >= columns else q.T).reshape(shape)


def fans(shape: Shape) -> tuple[int, int]:
    """(inputs, outputs) of one unit; axes before the last two are positions that multiply both."""
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    positions = math.prod(shape[:-2])
    return positions * shape[-2], positions * shape[-1]


INITIALIZERS: dict[str, Initializer] = {
    "glorot_uniform": VarianceScaling(1.0, "average", "uniform"),
    "glorot_normal": VarianceScaling(1.0, "average", "normal"),
    "he_uniform": VarianceScaling(2.0, "in", "uniform"),
    "he_normal": VarianceScaling(2.0, "in", "normal"),
    "lecun_uniform": VarianceScaling(1.0, "in", "uniform"),
    "lecun_normal": VarianceScaling(1.0, "in", "normal"),
    "orthogonal": Orthogonal(),
    "zeros": Constant(0.0),
}
InitializerName = Annotated[str, OneOf(INITIALIZERS)]


def initializer(choice: str | Initializer) -> Initializer:
    """The initializer of that name. Raises ConfigError with the allowed names."""
    if isinstance(choice, Initializer):
        return choice
    if choice not in INITIALIZERS:
        raise ConfigError(f"there is no initializer {choice!r}: use one of {', '.join(INITIALIZERS)}")
    return INITIALIZERS[choice]
