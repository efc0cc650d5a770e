"""The update rules as their papers print them, one element at a time in Python floats."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from dist_bp.optim import Rule
from dist_bp.optim.rules.adagrad import Adagrad
from dist_bp.optim.rules.adam import Adam
from dist_bp.optim.rules.lion import Lion
from dist_bp.optim.rules.rmsprop import RmsProp
from dist_bp.optim.rules.sgd import Sgd


@dataclass
class Element:
    """One parameter with whatever its rule remembers of it."""

    p: float
    memory: dict[str, float] = field(default_factory=dict)

    def get(self, name: str) -> float:
        return self.memory.get(name, 0.0)


Reference = Callable[[Element, float, int, float], None]


def sgd(mu: float, nesterov: bool) -> Reference:
    def step(e: Element, g: float, t: int, lr: float) -> None:
        e.memory["b"] = b = mu * e.get("b") + g
        e.p -= lr * (g + mu * b if nesterov else b)

    return step


def adam(beta1: float, beta2: float, epsilon: float) -> Reference:
    def step(e: Element, g: float, t: int, lr: float) -> None:
        e.memory["m"] = beta1 * e.get("m") + (1 - beta1) * g
        e.memory["v"] = beta2 * e.get("v") + (1 - beta2) * g * g
        m_hat = e.memory["m"] / (1 - beta1**t)
        v_hat = e.memory["v"] / (1 - beta2**t)
        e.p -= lr * m_hat / (math.sqrt(v_hat) + epsilon)

    return step


def rmsprop(decay: float, epsilon: float, mu: float) -> Reference:
    def step(e: Element, g: float, t: int, lr: float) -> None:
        e.memory["s"] = decay * e.get("s") + (1 - decay) * g * g
        e.memory["b"] = mu * e.get("b") + g / (math.sqrt(e.memory["s"]) + epsilon)
        e.p -= lr * e.memory["b"]

    return step


def adagrad(epsilon: float) -> Reference:
    def step(e: Element, g: float, t: int, lr: float) -> None:
        e.memory["s"] = e.get("s") + g * g
        e.p -= lr * g / (math.sqrt(e.memory["s"]) + epsilon)

    return step


def lion(beta1: float, beta2: float) -> Reference:
    def step(e: Element, g: float, t: int, lr: float) -> None:
        c = beta1 * e.get("m") + (1 - beta1) * g
        e.p -= lr * ((c > 0) - (c < 0))
        e.memory["m"] = beta2 * e.get("m") + (1 - beta2) * g

    return step


# A large epsilon shows where it stands; the small ones are the defaults.
PAIRS: list[tuple[Rule, Reference]] = [
    (Sgd(learning_rate=1.0), sgd(0.0, False)),
    (Sgd(learning_rate=1.0, momentum=0.9), sgd(0.9, False)),
    (Sgd(learning_rate=1.0, momentum=0.8, nesterov=True), sgd(0.8, True)),
    (Adam(learning_rate=1.0), adam(0.9, 0.999, 1e-8)),
    (Adam(learning_rate=1.0, beta1=0.0, beta2=0.9, epsilon=0.3), adam(0.0, 0.9, 0.3)),
    (RmsProp(learning_rate=1.0), rmsprop(0.99, 1e-8, 0.0)),
    (RmsProp(learning_rate=1.0, decay=0.9, epsilon=0.2, momentum=0.7), rmsprop(0.9, 0.2, 0.7)),
    (Adagrad(learning_rate=1.0), adagrad(1e-10)),
    (Adagrad(learning_rate=1.0, epsilon=0.5), adagrad(0.5)),
    (Lion(learning_rate=1.0), lion(0.9, 0.99)),
    (Lion(learning_rate=1.0, beta1=0.5, beta2=0.8), lion(0.5, 0.8)),
]
RULES = [pytest.param(rule, reference, id=str(rule)) for rule, reference in PAIRS]
