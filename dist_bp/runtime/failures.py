"""What goes wrong with the processes of a run, and what of it explains the rest."""

from collections.abc import Sequence

from dist_bp.errors import DistBpError, TrainingFailed, UserError
from dist_bp.ps.doorbell import SILENT, UNACQUAINTED, Peer, PeerLost
from dist_bp.runtime.calls import RayLost


class ProcessDied(TrainingFailed):
    """A process ended by itself or was killed: that of `peer`, where it is one that can be named."""

    def __init__(self, what: str, peer: Peer | None = None) -> None:
        super().__init__(f"{peer} {what}" if peer else what)
        self.peer = peer


LOST = (ProcessDied, PeerLost)
"""What is wrong where processes are lost without which the others cannot go on: a run begins again with new ones."""


def lost_worker(error: ProcessDied | PeerLost) -> int | None:
    """The rank of the worker that is lost, if it is one."""
    role, _, rank = str(error.peer).partition(" ")
    return int(rank) if role == "worker" and rank.isdecimal() else None


def attributed(error: BaseException, peer: Peer) -> BaseException:
    """The error with a note of where it was raised; those of our own say so in their text."""
    if not isinstance(error, DistBpError):
        error.__notes__ = [f"on {peer}", *getattr(error, "__notes__", [])]
    return error


def root_cause(errors: Sequence[BaseException]) -> BaseException:
    """The error that explains the others: wrong input, Ray's end, a death, an exception, silence, a peer that left or
    never came, a keeper that was itself waiting for one."""

    def rank(error: BaseException) -> int:
        if isinstance(error, UserError):
            return 0
        if isinstance(error, RayLost):
            return 1
        if isinstance(error, ProcessDied):
            return 2
        if isinstance(error, PeerLost):
            return 4 if error.what.startswith(SILENT) else 6 if error.what == UNACQUAINTED else 5
        return 3

    return min(errors, key=rank)
