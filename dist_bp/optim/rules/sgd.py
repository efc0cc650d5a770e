"""Stochastic gradient descent."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.errors import OptionError
from dist_bp.optim.rules.base import Lazy, LearningRate, Rule, Slice
from dist_bp.options import Doc, Fraction
from dist_bp.types import Array


@dataclass(frozen=True, kw_only=True)
class Sgd(Rule):
    """Stochastic gradient descent, with momentum if given.

    Momentum of Sutskever et al. 2013, in PyTorch's form:

    m = momentum * m + g;  p -= lr * m, or with Nesterov's momentum p -= lr * (g + momentum * m).
    """

    learning_rate: LearningRate = 0.01
    momentum: Annotated[Fraction, Doc("Fraction of the last step that is kept.")] = 0.0
    nesterov: Annotated[bool, Doc("Look ahead along the momentum.")] = False
    lazy: Lazy = False

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise OptionError("nesterov", "needs momentum: set momentum above 0, such as 0.9")
        if self.lazy and not self.momentum:
            raise OptionError("lazy", "does nothing without momentum: remove it, or set momentum above 0, such as 0.9")

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()

    @property
    def leaves_rows(self) -> bool:
        return self.lazy or not self.momentum

    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        change = grads
        if self.momentum:
            momentum, change = new.state["momentum"], scratch[0]
            np.multiply(old.state["momentum"], self.momentum, out=momentum)
            momentum += grads
            if self.nesterov:
                np.multiply(momentum, self.momentum, out=change)
                change += grads
                change *= learning_rate
            else:
                np.multiply(momentum, learning_rate, out=change)
        else:
            change *= learning_rate
        np.subtract(old.params, change, out=new.params)
