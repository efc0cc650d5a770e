"""What every runtime does alike: bring up the processes, lease steps to them, merge their reports."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np

from dist_bp.errors import DistBpError, TrainingFailed, UserError
from dist_bp.metrics import Metric
from dist_bp.processes import patience
from dist_bp.ps.arena import Snapshot, assemble
from dist_bp.ps.bringup import Call, bring_up, call
from dist_bp.ps.doorbell import SILENT, Peer, PeerLost
from dist_bp.ps.keeper import Keeper
from dist_bp.ps.lease import Evaluation, Lease, MetricStates, NonFinite, ServerReport, WorkerReport
from dist_bp.ps.member import Member
from dist_bp.ps.shares import assign
from dist_bp.ps.worker import Worker
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.cluster import LOOPBACK
from dist_bp.runtime.plan import RunPlan
from dist_bp.types import Array

GRACE_SECONDS = 5.0
LEASE_SECONDS = 60.0

T = TypeVar("T")


@dataclass(frozen=True)
class LeaseReport:
    """A finished lease: arrays have an element for each global batch.

    `losses` are sums over the `counts` samples of each that counted, to be divided by `weights`; `gradient_norms` are
    of what was applied for it, before clipping. `workers` and `servers` say what each process saw.
    """

    losses: Array
    counts: Array
    weights: Array
    gradient_norms: Array
    learning_rates: Array
    workers: Sequence[WorkerReport]
    servers: Sequence[ServerReport]
    metrics: MetricStates
    non_finite: NonFinite | None

    @property
    def worker_seconds(self) -> Array:
        """(workers, 3): seconds of the lease spent computing, pushing and waiting."""
        return np.stack([np.diff(report.times, axis=1).sum(axis=0) for report in self.workers])

    @property
    def server_seconds(self) -> Array:
        """(servers, 3): seconds of the lease spent collecting, updating and publishing."""
        return np.stack([np.diff(report.times, axis=1).sum(axis=0) for report in self.servers])

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


class ProcessDied(TrainingFailed):
    """A worker or server process ended by itself or was killed."""


class Runtime(ABC):
    """The processes of one run; use it as a context manager so that none of them outlives it."""

    def __init__(self, plan: RunPlan, metrics: Mapping[str, Metric]) -> None:
        self.plan = plan
        self._crews = plan.crews([self._host(node) for node in range(plan.nodes)])
        self.keepers = [crew.keeper for crew in self._crews]
        self.workers = [worker for crew in self._crews for worker in crew.workers]
        self.servers = [server for crew in self._crews for server in crew.servers]
        self._metrics = metrics
        self._timeout = plan.timeout
        self._trouble: Future[str] = Future()
        self._generation = 0
        self._version = 0
        self._step = 0

    def start(self, snapshot: Snapshot) -> None:
        """Brings everything up, with `snapshot` as the committed version."""
        self._launch()
        bring_up(self._crews, self._ask, patience(self.plan.config.ray.start_seconds), self._timeout)
        self._joined()
        self.write(snapshot)

    @property
    def trouble(self) -> str | None:
        """What is wrong with that which carries the processes, if something is: it is time to save what there is."""
        self._look()
        return self._trouble.result() if self._trouble.done() else None

    @property
    def _shares(self) -> tuple[tuple[int, ...], ...]:
        """Those of each worker."""
        return assign(map(self.plan.shares, range(self.plan.nodes)), {worker.rank for worker in self.workers})

    def train(self, first: int, last: int, rate_factor: float, expected_seconds: float) -> LeaseReport:
        """Trains on the global batches first + 1 ... last."""
        self._generation += 1
        lease = Lease(self._generation, self._version, first, last, self._shares, rate_factor)
        calls = [call(peer, Member.run, lease) for peer in (*self.servers, *self.workers)]
        reports = self._ask(calls, self._timeout + min(10 * expected_seconds, LEASE_SECONDS))
        servers = [report.server for report in reports if report.server]
        report = self._merge(lease, servers, [report.worker for report in reports if report.worker])
        self._version += min(len(server.squares) for server in servers)
        self._step = first + report.steps
        return report

    def skip(self, last: int) -> None:
        """Counts the global batches up to `last` as done, though no update was made of them."""
        self._step = last

    def evaluate(self, split: str) -> Evaluation:
        """Loss and metrics of the committed version over a whole split, exact over all workers' shards."""
        shares = self._shares
        calls = [call(worker, Worker.evaluate, split, shares[worker.rank]) for worker in self.workers]
        found: dict[int, Evaluation] = {}
        for worker, evaluations in zip(self.workers, self._ask(calls, self._timeout * 10), strict=True):
            found |= zip(shares[worker.rank], evaluations, strict=True)
        parts = [found[share] for share in sorted(found)]
        return Evaluation(
            loss=sum(part.loss for part in parts),
            weight=sum(part.weight for part in parts),
            metrics=self._merge_metrics([part.metrics for part in parts]),
        )

    def read(self) -> Snapshot:
        """The committed version."""
        parts = self._ask([call(keeper, Keeper.read, self._version) for keeper in self.keepers], self._timeout)
        return assemble(self._step, parts)

    def write(self, snapshot: Snapshot) -> None:
        """Replaces the committed version."""
        self._version, self._step = 0, snapshot.step
        self._ask([call(keeper, Keeper.write, 0, snapshot) for keeper in self.keepers], self._timeout)

    def non_finite_gradients(self) -> dict[int, str]:
        """For each share with a NaN or infinity in its last gradient, the first parameter that has one."""
        shares = self._shares
        calls = [call(worker, Worker.non_finite, shares[worker.rank]) for worker in self.workers]
        found = self._ask(calls, self._timeout)
        return dict(sorted(item for names in found for item in names.items()))

    def environment(self) -> dict[str, str]:
        """What the bits of the workers depend on beside code and input; where they differ, all that there is."""
        found = self._ask([call(worker, Worker.environment) for worker in self.workers], self._timeout)
        return {what: " | ".join(dict.fromkeys(one[what] for one in found)) for what in found[0]}

    @abstractmethod
    def close(self) -> None:
        """Ends every process of the run."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _host(self, node: int) -> str:
        """The network address at which servers of other nodes reach those of this one."""
        return LOOPBACK

    @abstractmethod
    def _launch(self) -> None:
        """Creates the processes."""

    def _joined(self) -> None:  # noqa: B027 - threads need no more
        """Called once all processes of a node share its arena."""

    def _look(self) -> None:  # noqa: B027 - threads depend on nothing
        """Finds out whether something is wrong with that which carries the processes; `_trouble` gets what."""

    @abstractmethod
    def _submit(self, call: Call[T]) -> Future[T]:
        """Starts a call of one process."""

    def _ask(self, calls: Sequence[Call[T]], seconds: float) -> list[T]:
        """Makes all calls at once and returns their results in order; raises the root cause of a failure.

        After the first failure the others get a few seconds to say what they saw: the one that died is the
        cause, those that lost sight of it are symptoms. Where Ray is in trouble its live actors may still answer, for
        as long.
        """
        futures = [self._submit(call) for call in calls]
        deadline = time.monotonic() + seconds
        pending: set[Future[Any]] = set(futures)
        peers: dict[Future[Any], Peer] = {future: one.peer for future, one in zip(futures, calls, strict=True)}
        errors: list[BaseException] = []
        calm: set[Future[Any]] = {self._trouble}
        while pending and (left := deadline - time.monotonic()) > 0:
            done, _ = wait({*pending, *calm}, timeout=left, return_when=FIRST_COMPLETED)
            found = [_attributed(error, peers[future]) for future in done - calm if (error := future.exception())]
            if (found and not errors) or done & calm:
                deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
            errors += found
            pending, calm = pending - done, calm - done
        if (errors or pending) and self.trouble:
            errors.append(RayLost(self.trouble))
        if errors:
            raise root_cause(errors)
        for future in futures:
            if future in pending:
                raise ProcessDied(f"{peers[future]} did not answer for {seconds:.0f} s")
        return [future.result() for future in futures]

    def _merge(self, lease: Lease, servers: list[ServerReport], workers: list[WorkerReport]) -> LeaseReport:
        steps = min(len(report.losses) for report in servers)
        first = servers[0]
        culprits = [report.non_finite for report in servers if report.non_finite]
        done = min(len(report.squares) for report in servers)
        updates = self.plan.mode.updates(lease.first, lease.last, sum(self.plan.placement))[:done]
        squares, rates, made = np.zeros(lease.steps), np.zeros(lease.steps), np.zeros(lease.steps)
        for index, (start, stop) in enumerate(updates):
            at = slice(start - lease.first, stop - lease.first)
            squares[at] += sum(report.squares[index] for report in servers)
            rates[at] += first.learning_rates[index]
            made[at] += 1
        return LeaseReport(
            losses=first.losses[:steps],
            counts=first.counts[:steps],
            weights=first.weights[:steps],
            gradient_norms=np.sqrt(squares[:steps] / np.maximum(made[:steps], 1)),
            learning_rates=rates[:steps],
            workers=workers,
            servers=servers,
            metrics=self._merge_metrics(_in_order_of_shares(workers)),
            non_finite=culprits[0] if culprits else None,
        )

    def _merge_metrics(self, parts: Sequence[MetricStates]) -> MetricStates:
        merged = dict(parts[0]) if parts else {}
        for part in parts[1:]:
            for name, state in part.items():
                merged[name] = self._metrics[name].merge(merged[name], state)
        return merged


def _in_order_of_shares(workers: Sequence[WorkerReport]) -> list[MetricStates]:
    """So that sums do not depend on who has computed which share."""
    parts = [(share, states) for report in workers for share, states in report.metrics.items()]
    return [states for _, states in sorted(parts, key=lambda part: part[0])]


def _attributed(error: BaseException, peer: Peer) -> BaseException:
    """The error with a note of where it was raised; those of our own say so in their text."""
    if not isinstance(error, DistBpError):
        error.__notes__ = [f"on {peer}", *getattr(error, "__notes__", [])]
    return error


def root_cause(errors: Sequence[BaseException]) -> BaseException:
    """The error that explains the others: wrong input, Ray's end, a death, an exception, silence, a peer that left."""

    def rank(error: BaseException) -> int:
        if isinstance(error, UserError):
            return 0
        if isinstance(error, RayLost):
            return 1
        if isinstance(error, ProcessDied):
            return 2
        if isinstance(error, PeerLost):
            return 4 if error.what.startswith(SILENT) else 5
        return 3

    return min(errors, key=rank)
