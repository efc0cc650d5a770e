"""RMSprop."""

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.optim.rules.base import Lazy, LearningRate, Rule, Slice
from dist_bp.options import Doc, Fraction, Positive
from dist_bp.types import Array


@dataclass(frozen=True, kw_only=True)
class RmsProp(Rule):
    """Steps scaled by a running mean of the squared gradients.

    RMSprop (Tieleman & Hinton 2012, lecture 6.5), epsilon outside the root as in PyTorch:

    s = decay * s + (1 - decay) * g^2;  d = g / (sqrt(s) + epsilon);  p -= lr * d, or with momentum
    b = momentum * b + d;  p -= lr * b.
    """

    learning_rate: LearningRate = 1e-3
    decay: Annotated[Fraction, Doc("Memory of the squared gradients.")] = 0.99
    epsilon: Annotated[Positive, Doc("Added to the root of the mean.")] = 1e-8
    momentum: Annotated[Fraction, Doc("Fraction of the last step that is kept.")] = 0.0
    lazy: Lazy = False

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square", "momentum") if self.momentum else ("square",)

    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        square, spare = new.state["square"], scratch[0]
        np.square(grads, out=spare)
        np.multiply(old.state["square"], self.decay, out=square)
        square += spare
        root = math.sqrt(1 - self.decay)
        np.sqrt(square, out=spare)
        spare += self.epsilon / root
        grads /= spare
        change = grads
        if self.momentum:
            momentum, change = new.state["momentum"], spare
            np.multiply(old.state["momentum"], self.momentum, out=momentum)
            momentum += grads
            np.multiply(momentum, learning_rate / root, out=change)
        else:
            change *= learning_rate / root
        np.subtract(old.params, change, out=new.params)
