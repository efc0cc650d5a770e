"""The processes of a run: brought up to work together, asked, and formed anew where they cannot go on."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace
from typing import Any, Self, TypeVar

from dist_bp.errors import Interrupted
from dist_bp.messages import in_seconds, plural
from dist_bp.processes import patience
from dist_bp.ps.bringup import Call, bring_up
from dist_bp.ps.doorbell import Peer
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.cluster import LOOPBACK
from dist_bp.runtime.failures import ProcessDied, attributed, root_cause
from dist_bp.runtime.plan import RunPlan

GRACE_SECONDS = 5.0

T = TypeVar("T")


class Formation(ABC):
    """The processes of one run; use it as a context manager so that none of them outlives it.

    `trouble` gets what is wrong with that which carries them, once something is.
    """

    def __init__(self, plan: RunPlan, trouble: Future[str] | None = None) -> None:
        self._trouble: Future[str] = trouble or Future()
        self.ending: Future[str] = Future()
        """Gets why nobody wants the processes any more that are being formed, once that is so."""
        self._timeout = plan.timeout
        self._take(plan)

    def _take(self, plan: RunPlan) -> None:
        """From now on it consists of whom the plan names."""
        self.plan = plan
        self._crews = plan.crews([self._host(node) for node in range(plan.nodes)])
        self.keepers = [crew.keeper for crew in self._crews]
        self.workers = [worker for crew in self._crews for worker in crew.workers]
        self.servers = [server for crew in self._crews for server in crew.servers]

    def _bring_up(self) -> None:
        """Creates the processes and brings them together. Raises Interrupted where nobody wants them any more."""
        self._launch()
        self._addresses = bring_up(self._crews, self._ask_until_ending, self._start_seconds, self.plan.timeout)
        self._joined()

    def _form_anew(self) -> None:
        """Ends what is left of the processes and brings others up, for which there is room now.

        They share no secret, no connection and no memory with those before, of whom perhaps one lives on where nobody
        can end it. Raises CapacityError without the room.
        """
        plan = self._planned()  # while it is known what those hold that live
        self._part()
        self._take(replace(plan, secret=secrets.token_bytes(len(self.plan.secret))))
        self._bring_up()

    @property
    def trouble(self) -> str | None:
        """What is wrong with that which carries the processes, if something is: it is time to save what there is."""
        self._look()
        return self._trouble.result() if self._trouble.done() else None

    @property
    def formed(self) -> str:
        """How many workers there are, and on how many nodes."""
        return f"{plural(len(self.workers), 'worker')} on {plural(self.plan.nodes, 'node')}"

    @property
    def may_grow(self) -> bool:
        """Whether there is room for more workers now, if the processes are formed anew. Raises, once, a fault that has
        ended the looking for it."""
        return False

    @property
    def lacking(self) -> str | None:
        """What is missing to form the processes anew now, if something is."""
        return None

    @property
    def _start_seconds(self) -> float:
        return patience(self.plan.config.ray.start_seconds)

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

    def _planned(self) -> RunPlan:
        """The plan, for what there is now. Raises CapacityError where that is too little."""
        return self.plan

    @abstractmethod
    def _launch(self) -> None:
        """Creates the processes."""

    @abstractmethod
    def _part(self) -> None:
        """Ends the processes, or has them let go of all that they share."""

    def _joined(self) -> None:  # noqa: B027 - threads need no more
        """Called once all processes of a node share its arena."""

    def _look(self) -> None:  # noqa: B027 - threads depend on nothing
        """Finds out whether something is wrong with that which carries the processes; `_trouble` gets what."""

    @abstractmethod
    def submit(self, call: Call[T]) -> Future[T]:
        """Starts a call of one process."""

    def _ask_until_ending(self, calls: Sequence[Call[T]], seconds: float) -> list[T]:
        return self._ask(calls, seconds, self.ending)

    def _ask(self, calls: Sequence[Call[T]], seconds: float, ending: Future[str] | None = None) -> list[T]:
        """Makes all calls at once and returns their results in order; raises the root cause of a failure, Interrupted
        once `ending` says why.

        After the first failure the others get a few seconds to say what they saw: the one that died is the
        cause, those that lost sight of it are symptoms. Where Ray is in trouble its live actors may still answer, for
        as long.
        """
        futures = [self.submit(call) for call in calls]
        deadline = time.monotonic() + seconds
        pending: set[Future[Any]] = set(futures)
        peers: dict[Future[Any], Peer] = {future: one.peer for future, one in zip(futures, calls, strict=True)}
        errors: list[BaseException] = []
        calm: set[Future[Any]] = {self._trouble, *([ending] if ending else [])}
        while pending and (left := deadline - time.monotonic()) > 0:
            done, _ = wait({*pending, *calm}, timeout=left, return_when=FIRST_COMPLETED)
            if ending in done:
                raise Interrupted(f"{ending.result()} while processes were started")
            found = [attributed(error, peers[future]) for future in done - calm if (error := future.exception())]
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
                raise ProcessDied(f"did not answer for {in_seconds(seconds)}", peers[future])
        return [future.result() for future in futures]
