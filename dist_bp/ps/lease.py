"""What the driver tells the processes of a run, and what they tell it back: once a lease, not once a step."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
MetricStates = dict[str, dict[str, Array]]


@dataclass(frozen=True)
class Lease:
    """Leave to make the updates first + 1 ... last.

    `generation` grows with every lease: whatever carries an older one is stale. `rate_factor` multiplies the
    scheduled learning rate.
    """

    generation: int
    first: int
    last: int
    rate_factor: float = 1.0

    @property
    def steps(self) -> int:
        return self.last - self.first


@dataclass(frozen=True)
class WorkerReport:
    """One worker's side of a lease.

    `seconds` has a row a step: computing (batch, forward, loss, backward) and waiting for the update.
    `metrics` are the accumulated states of the metrics over the worker's own samples.
    """

    rank: int
    seconds: Array
    metrics: MetricStates


@dataclass(frozen=True)
class ServerReport:
    """One server's side of a lease, an element or row for each committed step.

    `losses` are sums over the samples of the global batch, `counts` their numbers, `squares` this server's
    share of the squared norm of the average gradient. `seconds` are collecting, updating and publishing.
    `non_finite` says at which step, and at whose loss, a NaN or infinity ended the lease before its update.
    """

    index: int
    losses: Array
    counts: Array
    squares: Array
    learning_rates: Array
    seconds: Array
    non_finite: "NonFinite | None"


@dataclass(frozen=True)
class NonFinite:
    """A NaN or infinity: `worker` is the rank whose loss shows it, None where only the gradient does."""

    step: int
    worker: int | None


@dataclass(frozen=True)
class Evaluation:
    """Loss and metrics over one worker's shard of a split, or merged over all of them."""

    loss: float
    count: int
    metrics: MetricStates
