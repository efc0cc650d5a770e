"""Adagrad."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.optim.rules.base import LearningRate, Rule, Slice
from dist_bp.options import Doc, Positive
from dist_bp.types import Array


@dataclass(frozen=True, kw_only=True)
class Adagrad(Rule):
    """Steps scaled by the sum of all squared gradients.

    Adagrad, diagonal (Duchi et al. 2011): s += g^2;  p -= lr * g / (sqrt(s) + epsilon).
    """

    learning_rate: LearningRate = 0.01
    epsilon: Annotated[Positive, Doc("Added to the root of the sum.")] = 1e-10

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square",)

    @property
    def leaves_rows(self) -> bool:
        return True

    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        square, spare = new.state["square"], scratch[0]
        np.square(grads, out=spare)
        np.add(old.state["square"], spare, out=square)
        np.sqrt(square, out=spare)
        spare += self.epsilon
        grads /= spare
        grads *= learning_rate
        np.subtract(old.params, grads, out=new.params)
