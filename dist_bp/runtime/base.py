"""What every runtime does alike: lease steps to the processes, merge their reports, evaluate, read and write."""

from collections.abc import Callable, Container, Iterable, Mapping
from concurrent.futures import Future
from itertools import chain

from dist_bp.metrics import Metric
from dist_bp.metrics.base import merged
from dist_bp.ps.arena import Part, Snapshot, VersionGone, assemble
from dist_bp.ps.bringup import call
from dist_bp.ps.keeper import Keeper, together
from dist_bp.ps.layout import LEASE_STEPS
from dist_bp.ps.lease import Evaluation, Lease, MetricStates
from dist_bp.ps.member import Member
from dist_bp.ps.shares import assign
from dist_bp.ps.worker import Worker
from dist_bp.runtime.failures import LOST, ProcessDied
from dist_bp.runtime.lease_report import LeaseReport, Merger
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.survey import Progress
from dist_bp.runtime.workforce import Workforce

NOTHING: Mapping[int, MetricStates] = {}
LEASE_SECONDS = 60.0
SALVAGE_SECONDS = 5.0
EVALUATION = 10
"""How many times as long as a call an evaluation may take."""
SLOWER = 10
"""How many times as long as expected a lease, or an update of it, may take."""


class Runtime(Workforce):
    """Leases steps to the processes of a run, which is begun by `start`."""

    def __init__(self, plan: RunPlan, metrics: Mapping[str, Metric], trouble: Future[str] | None = None) -> None:
        super().__init__(plan, trouble)
        self._metrics = metrics
        self._merger = Merger(plan.mode, sum(plan.placement), metrics)
        self._generation = 0
        self._version = 0
        self._step = 0

    def _take(self, plan: RunPlan) -> None:
        super()._take(plan)
        self._cut: Lease | None = None
        """The lease that is under way, or was cut short."""
        self._whole = False
        """Whether all nodes have the version that was written last, and are still there."""

    def start(self, snapshot: Snapshot) -> None:
        """Brings everything up, with `snapshot` as the committed version."""
        self._bring_up()
        self.write(snapshot)

    def reform(self, snapshot: Snapshot) -> None:
        """Begins again with other processes, as many as there is room for now, and `snapshot` as the committed version.

        Raises CapacityError without room for as many as the configuration asks for.
        """
        self._whole = False
        self._form_anew()
        self.write(snapshot)

    def grow(self, snapshot: Snapshot) -> None:
        """Begins again with as many processes as `may_grow` has found room for."""
        self.reform(snapshot)

    def stay(self, snapshot: Snapshot) -> None:
        """Begins again with the processes of before `grow`, which has failed; the same room is not tried again."""
        self.reform(snapshot)

    @property
    def _shares(self) -> tuple[tuple[int, ...], ...]:
        """Those of each worker."""
        return assign(map(self.plan.shares, range(self.plan.nodes)), {worker.rank for worker in self.workers})

    def train(
        self,
        first: int,
        last: int,
        rate_factor: float,
        expected_seconds: float,
        measured: Mapping[int, MetricStates] = NOTHING,
    ) -> LeaseReport:
        """Trains on the global batches first + 1 ... last; where workers are lost it may end before. `measured` is what
        each share has measured in the epoch so far."""
        if last - first > LEASE_STEPS:
            raise ValueError(f"a lease has at most {LEASE_STEPS} steps, not {last - first}")
        self._take_in()
        if not self.workers:
            return self._merger.nothing()
        self._generation += 1
        lease = Lease(self._generation, self._version, first, last, self._shares, rate_factor, measured)
        self._cut = lease
        calls = [call(peer, Member.run, lease) for peer in (*self.servers, *self.workers)]
        patient = self.plan.hang_seconds if self.recovers else self._timeout
        progress = self._progress(patient + min(SLOWER * expected_seconds / lease.steps, LEASE_SECONDS))
        within = patient * self.plan.turns + expected_seconds + min(SLOWER * expected_seconds, LEASE_SECONDS)
        reports, lost = self._survey(calls, within, patient, progress)
        accused = next((report.lost for report in reports if report.lost), None)
        if accused and not self.recovers:
            raise accused
        if lost or accused:
            (account,) = self._ask([call(self.keepers[0], Keeper.account, lease.steps)], self._timeout)
            report, done = self._merger.of_account(lease, account, reports)
        else:
            report, done = self._merger.of_reports(lease, reports)
        self._cut = None
        self._version += done
        self._step = first + report.steps
        return report

    def salvage(self) -> tuple[LeaseReport, Snapshot] | None:
        """What was made of the lease that was cut short, and the newest version that all nodes have; None without such
        a lease, or where the memory of a node is lost or does not tell."""
        lease, self._cut = self._cut, None
        if not lease or self.plan.servers or not self._whole:
            return None
        try:
            return self._account(lease), self.read()
        except (*LOST, VersionGone):
            return None

    def _account(self, lease: Lease) -> LeaseReport:
        """Of the newest version that all nodes have: they differ by one at most, and each keeps two."""
        version = min(self._ask([call(keeper, Keeper.version) for keeper in self.keepers], SALVAGE_SECONDS))
        calls = [call(keeper, Keeper.account, lease.steps, version) for keeper in self.keepers]
        report, done = self._merger.of_account(lease, together(self._ask(calls, self._timeout)), [])
        self._version += done
        self._step = lease.first + report.steps
        return report

    def skip(self, last: int) -> None:
        """Counts the global batches up to `last` as done, though no update was made of them."""
        self._step = last

    def evaluate(self, split: str, replace: Callable[[], None] = lambda: None) -> Evaluation:
        """Loss and metrics of the committed version over a whole split, exact over all workers' shards.

        Where workers are lost `replace` is called, which does about it what is done after a lease, and again every
        moment while nobody is left. Raises ProcessDied where nobody is to come either.
        """
        found: dict[int, Evaluation] = {}
        while len(found) < sum(self.plan.placement):
            self._take_in()
            if self._lost or not self.workers:
                why = "; ".join(f"{peer}: {why}" for peer, why in self._lost.items())
                replace()
                if not self.workers and not self._coming:
                    raise ProcessDied(why or "no worker is left")  # as nobody has replaced them
            for one in self._evaluated(split, found):
                found[one.share] = one
        ordered = [found[share] for share in sorted(found)]
        return Evaluation(
            loss=sum(part.loss for part in ordered),
            weight=sum(part.weight for part in ordered),
            metrics=merged(self._metrics, (part.metrics for part in ordered)),
        )

    def _evaluated(self, split: str, found: Container[int]) -> Iterable[Evaluation]:
        """Of the shares of a split that are not yet found, by those who work and are not lost meanwhile."""
        shares = self._shares if self.workers else ()
        missing = {one: [share for share in shares[one.rank] if share not in found] for one in self.workers}
        calls = [call(worker, Worker.evaluate, split, self._version, wanted) for worker, wanted in missing.items()]
        parts, _ = self._survey(calls, EVALUATION * self._timeout, EVALUATION * self._timeout)
        return chain.from_iterable(parts)

    def read(self) -> Snapshot:
        """The committed version. Raises VersionGone while processes are formed anew, which have none yet."""
        if not self._whole:
            raise VersionGone("the processes have no version yet")
        return assemble(self._step, self._read())

    def _read(self) -> list[Part]:
        return self._ask([call(keeper, Keeper.read, self._version) for keeper in self.keepers], self._timeout)

    def write(self, snapshot: Snapshot) -> None:
        """Replaces the committed version."""
        self._whole = False
        self._version, self._step = 0, snapshot.step
        self._write(snapshot)
        self._whole = True

    def _write(self, snapshot: Snapshot) -> None:
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

    def _progress(self, patience: float) -> Progress | None:
        """How far the workers are; None where that cannot be seen while they work."""
        return None
