"""What the driver tells the processes of a run, and what they tell it back: once a lease, not once a step."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dist_bp.ps.doorbell import PeerLost
from dist_bp.types import Array

MetricStates = dict[str, dict[str, Array]]


@dataclass(frozen=True)
class Lease:
    """Leave to train on the global batches first + 1 ... last.

    `generation` grows with every lease: whatever carries an older one is stale. `version` is the committed one at
    its start; each update makes the next. `rate_factor` multiplies the scheduled learning rate. `shares` are those that
    each worker computes, by its rank: none of a worker that is not there. `measured` is what each share has measured in
    the epoch before: sums go on from there, so that they do not depend on where leases end.
    """

    generation: int
    version: int
    first: int
    last: int
    shares: tuple[tuple[int, ...], ...]
    rate_factor: float = 1.0
    measured: Mapping[int, MetricStates] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return self.last - self.first

    def shares_of(self, rank: int) -> tuple[int, ...]:
        return self.shares[rank]

    def crew(self, ranks: Iterable[int]) -> tuple[int, ...]:
        """Those of the ranks whose workers have something to compute."""
        return tuple(rank for rank in ranks if self.shares[rank])


def clock_offset() -> float:
    """What turns moments of this machine's monotonic clock into seconds since 1970."""
    return time.time() - time.perf_counter()


@dataclass(frozen=True)
class WorkerReport:
    """One worker's side of a lease, a row for each of its gradients.

    `steps` are the global batches that they are of. `times` are moments of the monotonic clock in seconds: begun,
    computed (batch, forward, loss, backward), pushed, released. `metrics` are the accumulated states of the metrics by
    share, over the samples of the epoch that counted; `dropped` gradients came too late and did not count. `clock`
    added to `times` gives seconds since 1970, which the clocks of several nodes have in common.
    """

    rank: int
    steps: Array
    times: Array
    metrics: Mapping[int, MetricStates]
    dropped: int = 0
    clock: float = 0.0
    shares: int = 1
    """Of how many shares each of its gradients is."""


@dataclass(frozen=True)
class ServerReport:
    """One server's side of a lease.

    `losses`, `counts` and `weights` have an element for each global batch: the sum over its samples, their number,
    and what the sum is to be divided by. The others have one for each update: `squares`, this server's part of the
    squared norm of what was applied; `learning_rates`; `staleness`, by how many versions the oldest gradient in it
    was behind; `times`, moments of the monotonic clock in seconds: begun, collected, updated, published; `clock` is
    as in WorkerReport. `wire_bytes` are what it sent to and received from other nodes. `non_finite` says at which
    step, and at whose loss, a NaN or infinity ended the lease before its update.
    """

    index: int
    losses: Array
    counts: Array
    weights: Array
    squares: Array
    learning_rates: Array
    staleness: Array
    times: Array
    non_finite: "NonFinite | None"
    wire_bytes: tuple[int, int] = (0, 0)
    clock: float = 0.0


@dataclass(frozen=True)
class Report:
    """What a process says of a lease: each of its sides, and the peer whose loss has ended it."""

    worker: WorkerReport | None = None
    server: ServerReport | None = None
    lost: PeerLost | None = None


@dataclass(frozen=True)
class NonFinite:
    """A NaN or infinity: `worker` is the share whose loss shows it, None where only the gradient does."""

    step: int
    worker: int | None


@dataclass(frozen=True)
class Evaluation:
    """Loss and metrics over one share of a split, or merged over all of them: a sum, and its weight."""

    loss: float
    weight: float
    metrics: MetricStates
    share: int = 0
