"""Update rules: how a slice of the parameters follows from a slice of the average gradient.

Every operation is element by element and writes into an array it was given, so the whole vector, a
server's slice and a chunk of it get the same bits. A rule reads the old version of parameters and state and writes
the new one in the same passes, since an update is bound by memory. Moving averages are kept as plain decayed sums,
that is without their constant factor (1 - beta); the factor is folded into scalars, which saves passes as well.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dist_bp.types import Array

State = dict[str, Array]


class Slice(NamedTuple):
    """A flat slice (n,) of the parameters and of every array of the rule's state, all of one dtype."""

    params: Array
    state: State


class Rule(ABC):
    """Hyperparameters of an optimizer; holds no arrays."""

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays, each as long as the parameters and zero before the first step."""

    @abstractmethod
    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        """Makes one step from `old` to `new`, which may be the same arrays.

        `grads` is (n,) and `scratch` (2, n) of the slices' dtype. `step` counts from 1. `grads` and `scratch` hold
        nothing of use afterwards.
        """

    def init(self, n: int, dtype: npt.DTypeLike) -> State:
        return {slot: np.zeros(n, dtype) for slot in self.slots}


@dataclass(frozen=True)
class Sgd(Rule):
    """Gradient descent with momentum (Sutskever et al. 2013), in PyTorch's form.

    m = momentum * m + g;  p -= lr * m, or with Nesterov's momentum p -= lr * (g + momentum * m).
    """

    momentum: float = 0.0
    nesterov: bool = False

    @property
    def slots(self) -> tuple[str, ...]:
        return ("momentum",) if self.momentum else ()

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


@dataclass(frozen=True)
class Adam(Rule):
    """Adam (Kingma & Ba 2015, algorithm 1); with decoupled decay it is AdamW (Loshchilov & Hutter 2019).

    m = beta1 * m + g;  v = beta2 * v + g^2;  m^ = (1 - beta1) m / (1 - beta1^t);
    v^ = (1 - beta2) v / (1 - beta2^t);  p -= lr * m^ / (sqrt(v^) + epsilon).
    With v^ = root^2 v the last is p -= lr/root * m^ / (sqrt(v) + epsilon/root).
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

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


@dataclass(frozen=True)
class RmsProp(Rule):
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5), epsilon outside the root as in PyTorch.

    s = decay * s + (1 - decay) * g^2;  d = g / (sqrt(s) + epsilon);  p -= lr * d, or with momentum
    b = momentum * b + d;  p -= lr * b.
    """

    decay: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0

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


@dataclass(frozen=True)
class Adagrad(Rule):
    """Adagrad, diagonal (Duchi et al. 2011): s += g^2;  p -= lr * g / (sqrt(s) + epsilon)."""

    epsilon: float = 1e-10

    @property
    def slots(self) -> tuple[str, ...]:
        return ("square",)

    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        square, spare = new.state["square"], scratch[0]
        np.square(grads, out=spare)
        np.add(old.state["square"], spare, out=square)
        np.sqrt(square, out=spare)
        spare += self.epsilon
        grads /= spare
        grads *= learning_rate
        np.subtract(old.params, grads, out=new.params)


@dataclass(frozen=True)
class Lion(Rule):
    """Lion (Chen et al. 2023, algorithm 2): p -= lr * sign(beta1 * m + (1 - beta1) * g), then
    m = beta2 * m + (1 - beta2) * g.

    The sign is taken as c / (|c| + tiny), tiny being the smallest normal number: exactly -1 or 1 unless |c|
    is below some 1e-30 (float32), and several times as fast as np.sign, which branches on every element.
    """

    beta1: float = 0.9
    beta2: float = 0.99

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
