"""What is known of a lease when it is over: from the reports of all processes, or the arena where some are lost."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from dist_bp.metrics import Metric
from dist_bp.ps.keeper import Account
from dist_bp.ps.lease import Lease, MetricStates, NonFinite, Report, ServerReport, WorkerReport
from dist_bp.ps.modes import Mode
from dist_bp.ps.recipe import followed
from dist_bp.ps.states import StateBuffer
from dist_bp.types import Array


@dataclass(frozen=True)
class LeaseReport:
    """A finished lease: arrays have an element for each global batch.

    `losses` are sums over the `counts` samples of each that counted, to be divided by `weights`; `gradient_norms` are
    of what was applied for it, before clipping. `workers` and `servers` say what each process saw, `metrics` what each
    share has measured in the epoch so far, where anything of it counted in this lease.
    """

    losses: Array
    counts: Array
    weights: Array
    gradient_norms: Array
    learning_rates: Array
    workers: Sequence[WorkerReport]
    servers: Sequence[ServerReport]
    metrics: Mapping[int, MetricStates]
    non_finite: NonFinite | None = None

    @property
    def worker_seconds(self) -> dict[int, Array]:
        """By rank (3,): seconds of the lease spent computing, pushing and waiting."""
        return {report.rank: np.diff(report.times, axis=1).sum(axis=0) for report in self.workers}

    @property
    def server_seconds(self) -> dict[int, Array]:
        """By rank (3,): seconds of the lease spent collecting, updating and publishing."""
        return {report.index: np.diff(report.times, axis=1).sum(axis=0) for report in self.servers}

    @property
    def wire_bytes(self) -> int:
        """Bytes that servers have sent to other nodes in the lease."""
        return sum(report.wire_bytes[0] for report in self.servers)

    @property
    def staleness(self) -> int:
        """By how many versions the oldest gradient of the lease was behind."""
        return max((int(report.staleness.max(initial=0)) for report in self.servers), default=0)

    @property
    def dropped(self) -> int:
        """Gradients that came too late and did not count."""
        return sum(report.dropped for report in self.workers)

    @property
    def steps(self) -> int:
        return len(self.losses)


@dataclass(frozen=True)
class Measured:
    """What was measured in a lease: by step, and by update what `squares` are the sum of and `rates`."""

    losses: Array
    counts: Array
    weights: Array
    squares: Array
    rates: Array


class Merger:
    """Makes one report of a lease in a mode, of a run of so many shares with these metrics."""

    def __init__(self, mode: Mode, shares: int, metrics: Mapping[str, Metric]) -> None:
        self._mode = mode
        self._shares = shares
        self._metrics = metrics

    def nothing(self) -> LeaseReport:
        """Of a lease that nobody was there for."""
        none = np.empty(0)
        return LeaseReport(none, none, none, none, none, [], [], {})

    def of_reports(self, lease: Lease, reports: Sequence[Report]) -> tuple[LeaseReport, int]:
        """Where all have reported; and the number of updates that were made."""
        servers = [report.server for report in reports if report.server]
        workers = [report.worker for report in reports if report.worker]
        first, steps = servers[0], min(len(report.losses) for report in servers)
        done = min(len(report.squares) for report in servers)
        squares = sum((report.squares[:done] for report in servers), np.zeros(done))
        measured = Measured(first.losses, first.counts, first.weights, squares, first.learning_rates[:done])
        culprits = [report.non_finite for report in servers if report.non_finite]
        metrics = {share: states for report in workers for share, states in report.metrics.items()}
        whole = self._report(lease, measured, steps, (workers, servers), metrics)
        return replace(whole, non_finite=culprits[0] if culprits else None), done

    def of_account(self, lease: Lease, account: Account, reports: Sequence[Report]) -> tuple[LeaseReport, int]:
        """Where some are lost: what the arena has counts, and `reports` are of those who are left."""
        done, log = max(account.version - lease.version, 0), account.log  # who was lost at once has told of none
        ends = [lease.first, *(stop for _, stop in self._mode.updates(lease.first, lease.last, self._shares))]
        squares = log.squares[:, :done].sum(axis=0)
        measured = Measured(log.losses, log.counts, log.weights, squares, log.rates[:done])
        states = account.metrics if done else {}
        metrics = {share: StateBuffer(followed(self._metrics), memory).read() for share, memory in states.items()}
        servers = [report.server for report in reports if report.server]
        workers = [report.worker for report in reports if report.worker]
        steps = ends[done] - lease.first
        return self._report(lease, measured, steps, (workers, servers), metrics), done

    def _report(
        self,
        lease: Lease,
        measured: Measured,
        steps: int,
        processes: tuple[Sequence[WorkerReport], Sequence[ServerReport]],
        metrics: Mapping[int, MetricStates],
    ) -> LeaseReport:
        updates = self._mode.updates(lease.first, lease.last, self._shares)[: len(measured.squares)]
        squares, rates, made = _by_step(lease, updates, (measured.squares, measured.rates, np.ones(len(updates))))
        return LeaseReport(
            losses=measured.losses[:steps],
            counts=measured.counts[:steps],
            weights=measured.weights[:steps],
            gradient_norms=np.sqrt(squares[:steps] / np.maximum(made[:steps], 1)),
            learning_rates=rates[:steps],
            workers=processes[0],
            servers=processes[1],
            metrics=metrics,
        )


def _by_step(lease: Lease, updates: Sequence[tuple[int, int]], rows: Iterable[Array]) -> list[Array]:
    """Of each row of values by update the sums by step of the lease, over the updates that a step belongs to."""
    bounds = np.fromiter(chain.from_iterable(updates), np.int64, 2 * len(updates)) - lease.first
    starts, lengths = bounds[::2], bounds[1::2] - bounds[::2]
    before = np.cumsum(lengths) - lengths
    steps = np.arange(lengths.sum()) + np.repeat(starts - before, lengths)
    return [np.bincount(steps, np.repeat(values, lengths), minlength=lease.steps) for values in rows]
