"""Adam."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.optim.rules.base import Lazy, LearningRate, Rule, Slice
from dist_bp.options import Doc, Fraction, Positive
from dist_bp.types import Array


@dataclass(frozen=True, kw_only=True)
class Adam(Rule):
    """Adam: steps scaled by the gradients' first and second moments.

    Kingma & Ba 2015, algorithm 1: m = beta1 * m + g;  v = beta2 * v + g^2;  m^ = (1 - beta1) m / (1 - beta1^t);
    v^ = (1 - beta2) v / (1 - beta2^t);  p -= lr * m^ / (sqrt(v^) + epsilon).
    With v^ = root^2 v the last is p -= lr/root * m^ / (sqrt(v) + epsilon/root).
    """

    learning_rate: LearningRate = 1e-3
    beta1: Annotated[Fraction, Doc("Memory of the first moment.")] = 0.9
    beta2: Annotated[Fraction, Doc("Memory of the second moment.")] = 0.999
    epsilon: Annotated[Positive, Doc("Added to the root of the second moment.")] = 1e-8
    lazy: Lazy = False

    @property
    def slots(self) -> tuple[str, ...]:
        return ("m", "v")

    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        m, v, change = new.state["m"], new.state["v"], scratch[0]
        np.multiply(old.state["m"], self.beta1, out=m)
        m += grads
        np.square(grads, out=grads)
        np.multiply(old.state["v"], self.beta2, out=v)
        v += grads
        root = math.sqrt((1 - self.beta2) / (1 - self.beta2**step))
        np.sqrt(v, out=change)
        change += self.epsilon / root
        np.divide(m, change, out=change)
        change *= learning_rate / root * (1 - self.beta1) / (1 - self.beta1**step)
        np.subtract(old.params, change, out=new.params)
