"""Lion."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.optim.rules.base import Lazy, LearningRate, Rule, Slice
from dist_bp.options import Doc, Fraction
from dist_bp.types import Array


@dataclass(frozen=True, kw_only=True)
class Lion(Rule):
    """Steps of equal size, by the sign of the averaged gradient.

    Lion (Chen et al. 2023, algorithm 2): p -= lr * sign(beta1 * m + (1 - beta1) * g), then
    m = beta2 * m + (1 - beta2) * g.

    The sign is taken as c / (|c| + tiny), tiny being the smallest normal number: exactly -1 or 1 unless |c|
    is below some 1e-30 (float32), and several times as fast as np.sign, which branches on every element.
    """

    learning_rate: LearningRate = 1e-4
    beta1: Annotated[Fraction, Doc("Fraction of the average in the direction of a step.")] = 0.9
    beta2: Annotated[Fraction, Doc("Memory of the average.")] = 0.99
    decoupled: Annotated[bool, Doc("true: decay shrinks the weights themselves; false: L2.")] = True
    lazy: Lazy = False

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum",)

    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        momentum, (change, magnitude) = old.state["momentum"], scratch
        np.multiply(momentum, self.beta1 * (1 - self.beta2) / (1 - self.beta1), out=change)
        change += grads
        np.abs(change, out=magnitude)
        magnitude += float(np.finfo(change.dtype).smallest_normal)
        change /= magnitude
        change *= learning_rate
        np.subtract(old.params, change, out=new.params)
        np.multiply(momentum, self.beta2, out=new.state["momentum"])
        new.state["momentum"] += grads
