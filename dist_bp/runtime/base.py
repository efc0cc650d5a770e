"""What every runtime does alike: lease steps to the processes, merge their reports, go on where workers are lost."""

import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from itertools import chain
from typing import Any, TypeVar

from dist_bp.metrics import Metric
from dist_bp.ps.arena import Part, Snapshot, VersionGone, assemble
from dist_bp.ps.bringup import Call, call
from dist_bp.ps.doorbell import Peer, PeerLost
from dist_bp.ps.keeper import Keeper, together
from dist_bp.ps.layout import LEASE_STEPS
from dist_bp.ps.lease import Evaluation, Lease
from dist_bp.ps.member import Member
from dist_bp.ps.shares import assign
from dist_bp.ps.worker import Worker
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import LOST, ProcessDied
from dist_bp.runtime.formation import Formation
from dist_bp.runtime.lease_report import LeaseReport, Merger
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.survey import Progress, survey

LEASE_SECONDS = 60.0
FENCE_SECONDS = 5.0
ADMIT_SECONDS = 10.0
SOON_SECONDS = 10.0
"""Within which a process has started, where there is room for it."""
SALVAGE_SECONDS = 5.0
EVALUATION = 10
"""How many times as long as a call an evaluation may take."""
LOOK_SECONDS = 1.0
"""How long it is waited for a worker before something else is looked at."""
SLOWER = 10
"""How many times as long as expected a lease, or an update of it, may take."""

T = TypeVar("T")


class Runtime(Formation):
    """Leases steps to the processes of a run, which is begun by `start`."""

    def __init__(self, plan: RunPlan, metrics: Mapping[str, Metric], trouble: Future[str] | None = None) -> None:
        super().__init__(plan, trouble)
        self._merger = Merger(plan.mode, sum(plan.placement), metrics)
        self._timeout = plan.timeout
        self._generation = 0
        self._version = 0
        self._step = 0

    def _take(self, plan: RunPlan) -> None:
        super()._take(plan)
        self._lost: dict[Peer, str] = {}
        self._missing: dict[Peer, float] = {}
        self._returned: dict[Peer, float | None] = {}
        self._coming: dict[Peer, Future[Any]] = {}
        self._begun = 0.0
        """When the last of those was begun."""
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

    def train(self, first: int, last: int, rate_factor: float, expected_seconds: float) -> LeaseReport:
        """Trains on the global batches first + 1 ... last; where workers are lost it may end before."""
        if last - first > LEASE_STEPS:
            raise ValueError(f"a lease has at most {LEASE_STEPS} steps, not {last - first}")
        self._take_in()
        if not self.workers:
            return self._merger.nothing()
        self._generation += 1
        lease = Lease(self._generation, self._version, first, last, self._shares, rate_factor)
        self._cut = lease
        calls = [call(peer, Member.run, lease) for peer in (*self.servers, *self.workers)]
        patient = self.plan.hang_seconds if self.recovers else self._timeout
        progress = self._progress(patient + min(SLOWER * expected_seconds / lease.steps, LEASE_SECONDS))
        within = patient * self.plan.mode.steps + expected_seconds + min(SLOWER * expected_seconds, LEASE_SECONDS)
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

    def losses(self) -> dict[Peer, str]:
        """The workers that have been lost since this was asked last, and why; the others compute their shares."""
        lost, self._lost = self._lost, {}
        return lost

    def returns(self) -> dict[Peer, float | None]:
        """The workers that have joined since this was asked last, and how many seconds they were missing; None: there
        was no room for them before."""
        returned, self._returned = self._returned, {}
        return returned

    @property
    def awaiting(self) -> bool:
        """Whether a worker that was lost a moment ago is to be replaced soon."""
        return any(time.monotonic() - since < SOON_SECONDS for since in self._missing.values())

    def replace(self, peers: Iterable[Peer]) -> None:
        """Starts other processes for workers that are lost, beside the training, which takes them in between leases."""
        for peer in peers:
            if peer not in self.workers and peer not in self._coming:  # an evaluation may have seen to it
                self._coming[peer] = self.start_again(peer)
                self._begun = time.monotonic()

    def _survey(
        self, calls: Sequence[Call[T]], seconds: float, silence: float, progress: Progress | None = None
    ) -> tuple[list[T], dict[Peer, str]]:
        """The answers of all who are left, and who is lost and why; raises the root cause where that ends the run.

        See `survey` for the times, and for `progress`.
        """
        if not self.recovers:
            return self._ask(calls, seconds), {}
        asked = {one.peer: self.submit(one) for one in calls}
        answers, lost = survey(asked, self._fence, self._trouble, seconds, silence, progress)
        for peer in lost:
            if not self._fence(peer):
                raise ProcessDied(f"{peer} cannot be ended: {lost[peer]}")
        if lost:
            self.workers = [worker for worker in self.workers if worker not in lost]
            self._lost |= lost
            self._missing |= dict.fromkeys(lost, time.monotonic())
        return [answers[one.peer] for one in calls if one.peer in answers], lost

    def _fence(self, peer: Peer) -> bool:
        """Ends a worker that hangs; says whether it is gone."""
        (gone,) = self._ask([call(self.keepers[0], Keeper.fence, peer, FENCE_SECONDS)], 2 * FENCE_SECONDS)
        return gone

    def _take_in(self) -> None:
        """Lets those join that have been started again, once they are ready.

        Where nobody else is left it waits for one, a moment only: whoever asks may have to end the run meanwhile.
        """
        if not self.workers and self._coming and not self._lost:
            wait([*self._coming.values(), self._trouble], timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            if trouble := self.trouble:
                raise RayLost(trouble)
        for peer in [peer for peer, coming in self._coming.items() if coming.done()]:
            if error := self._coming.pop(peer).exception():
                if not isinstance(error, ProcessDied):
                    raise error
                self._lost[peer] = "its process ended or was killed at its start"
            else:
                self._admit(peer)
        late = not self._coming or time.monotonic() - self._begun > self._start_seconds
        if not self.workers and not self._lost and late:
            raise ProcessDied(f"no worker has started again within {self._start_seconds:.0f} s")

    def _admit(self, peer: Peer) -> None:
        """Makes a worker that was started again one of those who work, if it lives."""
        keeper, patient = self.keepers[0], self.plan.hang_seconds
        entering: list[Call[None]] = [call(keeper, Keeper.admit, [peer], [], ADMIT_SECONDS)]
        entering.append(call(peer, Member.join, self._addresses[0], ADMIT_SECONDS, peer))
        try:
            self._ask(entering, patient)
        except (ProcessDied, PeerLost) as error:
            self._fence(peer)
            self._lost[peer] = f"it did not join: {error}"
            return
        pairs = [(peer, other) for other in self.workers]
        self.workers = sorted([*self.workers, peer], key=lambda worker: worker.rank)
        self._ask([call(keeper, Keeper.introduce, pairs, [peer])], self._timeout)
        _, lost = self._survey([call(one, Member.meet) for one in self.workers], patient, patient)
        if peer not in lost:
            self._returned[peer] = time.monotonic() - self._missing.pop(peer) if peer in self._missing else None
            self._taken_in(peer)

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
            metrics=self._merger.merged([part.metrics for part in ordered]),
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

    @property
    def recovers(self) -> bool:
        """Whether training goes on when workers are lost."""
        return False

    def _progress(self, patience: float) -> Progress | None:
        """How far the workers are; None where that cannot be seen while they work."""
        return None

    def start_again(self, peer: Peer) -> Future[Any]:
        """Starts another process for a worker, or takes one that is there, and makes it ready to join."""
        raise NotImplementedError

    def _taken_in(self, peer: Peer) -> None:
        """Called when a worker that was started again works with the others."""
