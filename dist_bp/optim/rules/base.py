"""Update rules: how a slice of the parameters follows from a slice of the average gradient.

Every operation is element by element and writes into an array it was given, so the whole vector, a
server's slice and a chunk of it get the same bits. A rule reads the old version of parameters and state and writes
the new one in the same passes, since an update is bound by memory. Moving averages are kept as plain decayed sums,
that is without their constant factor (1 - beta); the factor is folded into scalars, which saves passes as well.
"""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
import numpy.typing as npt

from dist_bp.component import Component
from dist_bp.options import Doc, NonNegative, Positive
from dist_bp.types import Array

State = dict[str, Array]


class Slice(NamedTuple):
    """A flat slice (n,) of the parameters and of every array of the rule's state, all of one dtype."""

    params: Array
    state: State


LearningRate = Annotated[Positive, Doc("Size of the steps, before the schedule's factor.")]
Lazy = Annotated[
    bool,
    Doc(
        "true: vectors of an embedding that no sample of the batch has are left alone; their moments do not decay, "
        "which is another rule."
    ),
]


@dataclass(frozen=True, kw_only=True)
class Rule(Component):
    """Hyperparameters of an optimizer; holds no arrays.

    `learning_rate` is what schedules multiply; decay is applied before the rule, to the weights that the model says.
    """

    learning_rate: LearningRate
    weight_decay: Annotated[
        NonNegative,
        Doc("How strongly weights are drawn to zero; biases and normalisation are left alone."),
    ] = 0.0
    decoupled: Annotated[
        bool, Doc("true: decay shrinks the weights themselves; false: it is added to the gradient (L2).")
    ] = False

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """Names of the state arrays, each as long as the parameters and zero before the first step."""

    @property
    def lazy(self) -> bool:
        """Whether rows of a table without a gradient are left alone although the rule would change them or their
        state."""
        return False

    @property
    def leaves_rows(self) -> bool:
        """Whether it leaves rows of a table without a gradient as they are, parameters and state."""
        return self.lazy

    @abstractmethod
    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        """Makes one step from `old` to `new`, which may be the same arrays.

        `grads` is (n,) and `scratch` (2, n) of the slices' dtype. `step` counts from 1. `grads` and `scratch` hold
        nothing of use afterwards.
        """

    def init(self, n: int, dtype: npt.DTypeLike) -> State:
        return {slot: np.zeros(n, dtype) for slot in self.slots}
