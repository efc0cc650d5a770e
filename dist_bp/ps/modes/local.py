"""`local`: workers make steps by themselves, and then their parameters are averaged (Stich 2019).

With an outer learning rate or momentum how far the parameters have moved on average is taken for a gradient (Douillard
et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from dist_bp.optim import Updater
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.ps.modes.base import ModeName, Round
from dist_bp.ps.modes.every_share import EveryShare
from dist_bp.types import Array

if TYPE_CHECKING:
    from dist_bp.ps.computing import Computing
    from dist_bp.ps.lease import MetricStates

OUTER = "outer_momentum"
"""The state of the momentum with which averages of parameters are taken."""


@dataclass(frozen=True)
class Local(EveryShare):
    """An update is made of what `local_steps` steps of each share made of the parameters and the optimizer's state.

    The averages are followed by stochastic gradient descent with `outer_learning_rate` and `outer_momentum`, the latter
    Nesterov's where `outer_nesterov`; 1 and 0 are the plain average.
    """

    local_steps: int
    outer_learning_rate: float = 1.0
    outer_momentum: float = 0.0
    outer_nesterov: bool = False

    name: ClassVar[ModeName] = "local"
    exact: ClassVar[bool] = True
    by_rows: ClassVar[bool] = False

    @property
    def steps(self) -> int:
        return self.local_steps

    @property
    def outer(self) -> tuple[str, ...]:
        return (OUTER,) if self.outer_momentum else ()

    def averaged(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name != OUTER)

    def servers_rule(self, updater: Updater) -> Updater:
        nesterov = self.outer_nesterov and self.outer_momentum > 0
        return Updater(Sgd(learning_rate=1.0, momentum=self.outer_momentum, nesterov=nesterov))

    def servers_rate(self, rate: float) -> float:
        """The steps have been made with the scheduled one."""
        return self.outer_learning_rate

    def servers_state(self, state: dict[str, Array]) -> dict[str, Array]:
        return {"momentum": state[OUTER]} if self.outer else {}

    def next_statistics(self, old: Array, mean: Array, kept: Array, new: Array) -> None:
        """They are averages of running ones."""
        np.copyto(new, mean)

    def fill(self, computing: Computing, round: Round, share: int, metrics: MetricStates) -> None:
        computing.local_steps.round(round, share, metrics)
