"""What happens in a run, for all that only listen: the tracker, the terminal, the trace."""

from collections.abc import Mapping
from dataclasses import dataclass

from dist_bp.runtime.lease_report import LeaseReport
from dist_bp.train.faults import Fault, Recovery
from dist_bp.train.state import Points, RunState


@dataclass(frozen=True)
class LeaseDone:
    """The steps after `first` are done, in `seconds`; `points` of the step curves end within them.

    `warm` says that the processes had trained before: their first step tells nothing of the next ones.
    """

    first: int
    report: LeaseReport
    seconds: float
    points: Points
    warm: bool


@dataclass(frozen=True)
class EpochDone:
    """An epoch was measured: `values` by monitor name, `timings` by the tracker's names."""

    values: Mapping[str, float]
    timings: Mapping[str, float]


@dataclass(frozen=True)
class Recovered:
    """Training goes on after a fault; `points` of the step curves end within what was skipped."""

    recovery: Recovery
    points: Points


class Listener:
    """Hears nothing said; override what matters. `state` is the one after the event, and only to be read."""

    def resumed(self, state: RunState) -> None:
        """The run goes on from a checkpoint."""

    def lease(self, state: RunState, lease: LeaseDone) -> None:
        """Some steps are done, about once a second; none perhaps where `lease.report.non_finite`."""

    def recovering(self, state: RunState, fault: Fault) -> None:
        """The others cannot go on as they are: processes are to be formed anew, which takes a while; `recovered` comes
        at its end."""

    def recovered(self, state: RunState, event: Recovered) -> None:
        """The run goes on after a fault: from there, or from its newest checkpoint."""

    def formed(self, state: RunState, what: str) -> None:
        """The processes are others from here on, `what` says how many."""

    def waiting(self, state: RunState, lacking: str) -> None:
        """The run waits for room for its processes, which were lost."""

    def stayed(self, state: RunState, why: Exception) -> None:
        """There was room for more workers, but they could not begin, or a fault has ended the looking for room: the run
        goes on with those of before."""

    def joined(self, state: RunState, worker: int, seconds: float | None) -> None:
        """A worker has joined, so many seconds after one of its rank was lost; None: there was no room before."""

    def epoch(self, state: RunState, epoch: EpochDone) -> None:
        """An epoch is over and measured."""

    def saving(self, state: RunState) -> None:
        """A checkpoint is about to be written, to which the run may come back."""

    def ended(self, state: RunState) -> None:
        """No step follows, whatever the reason."""
