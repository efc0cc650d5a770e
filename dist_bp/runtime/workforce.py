"""Who works on a run: workers that are lost, replaced beside the training, and taken in between leases."""

import time
from collections.abc import Collection, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from dist_bp.messages import in_seconds
from dist_bp.processes import Known
from dist_bp.ps.bringup import Call, call
from dist_bp.ps.doorbell import Peer, PeerLost
from dist_bp.ps.keeper import Keeper
from dist_bp.ps.member import Member
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.formation import Formation
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.survey import Progress, survey

FENCE_SECONDS = 5.0
ADMIT_SECONDS = 10.0
SOON_SECONDS = 10.0
"""Within which a process has started, where there is room for it."""
LOOK_SECONDS = 1.0
"""How long it is waited for a worker before something else is looked at."""

T = TypeVar("T")


class Workforce(Formation):
    """Processes of which workers may be lost: the others go on, and others take their places."""

    def _take(self, plan: RunPlan) -> None:
        super()._take(plan)
        self._lost: dict[Peer, str] = {}
        self._missing: dict[Peer, float] = {}
        self._returned: dict[Peer, float | None] = {}
        self._coming: dict[Peer, Future[Known]] = {}
        self._begun = 0.0
        """When the last of those was begun."""

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
                raise ProcessDied(f"cannot be ended: {lost[peer]}", peer)
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
            ends: list[Future[Any]] = [*self._coming.values(), self._trouble]
            wait(ends, timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            if trouble := self.trouble:
                raise RayLost(trouble)
        for peer in [peer for peer, coming in self._coming.items() if coming.done()]:
            coming = self._coming.pop(peer)
            if error := coming.exception():
                if not isinstance(error, ProcessDied):
                    raise error
                self._lost[peer] = "its process ended or was killed at its start"
            else:
                self._admit(peer, coming.result())
        late = not self._coming or time.monotonic() - self._begun > self._start_seconds
        if not self.workers and not self._lost and late:
            raise ProcessDied(f"no worker has started again within {in_seconds(self._start_seconds)}")

    def _admit(self, peer: Peer, process: Known) -> None:
        """Makes a worker that was started again one of those who work, if it lives. Raises ProcessDied where it
        neither joins nor can be ended: it might still write."""
        self._guard(process)
        keeper, patient = self.keepers[0], self.plan.hang_seconds
        entering: list[Call[None]] = [call(keeper, Keeper.admit, [peer], [], ADMIT_SECONDS, {peer: process})]
        entering.append(call(peer, Member.join, self._addresses[0], ADMIT_SECONDS, peer))
        try:
            self._ask(entering, patient)
        except (ProcessDied, PeerLost) as error:
            if not self._fence(peer):
                raise ProcessDied(f"cannot be ended, and did not join: {error}", peer) from error
            self._lost[peer] = f"it did not join: {error}"
            return
        pairs = [(peer, other) for other in self.workers]
        self.workers = sorted([*self.workers, peer], key=lambda worker: worker.rank)
        self._ask([call(keeper, Keeper.introduce, pairs, [peer])], self._timeout)
        _, lost = self._survey([call(one, Member.meet) for one in self.workers], patient, patient)
        if peer not in lost:
            self._returned[peer] = time.monotonic() - self._missing.pop(peer) if peer in self._missing else None

    @property
    def recovers(self) -> bool:
        """Whether training goes on when workers are lost."""
        return False

    def start_again(self, peer: Peer) -> Future[Known]:
        """Starts another process for a worker, or takes one that is there, and makes it ready to join."""
        raise NotImplementedError

    def _guard(self, pids: Collection[int]) -> None:
        """Called with processes of the workers' node that have been started since: they must not outlive the run."""
