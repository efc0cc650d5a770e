"""Who of those that were asked has answered, and who is lost."""

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Generic, TypeVar

from dist_bp.messages import in_seconds
from dist_bp.ps.doorbell import SILENT, Peer, PeerLost
from dist_bp.ps.lease import Report
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.failures import ProcessDied, attributed, root_cause

T = TypeVar("T")
WORD_SECONDS = 0.1
"""How long one may still answer that was silent for too long."""
LOOKS = 20
"""How often it is looked who gets on, in the time after which one that does not is taken for dead."""
LOOK_SECONDS = (0.02, 1.0)
"""Between two looks, at least and at most."""
GRACE_SECONDS = 5.0
"""How long word may take of a death that others have seen, which may have been an exception; or the answers of others
after one."""
DIED = "its process ended or was killed"


class Progress:
    """How far those who work are: `stages` says it at any moment, by numbers that only grow,
    `signs` that somebody works within one.

    Whoever waits is at a higher stage than whoever is waited for.
    """

    def __init__(
        self, stages: Callable[[], Mapping[Peer, int]], patience: float, signs: Callable[[], Sequence[int]] = tuple
    ) -> None:
        self._stages = stages
        self._signs = signs
        self.patience = patience
        self._seen: tuple[Mapping[Peer, int], Sequence[int]] = {}, ()
        self._changed = 0.0

    @property
    def interval(self) -> float:
        """Seconds between two looks."""
        least, most = LOOK_SECONDS
        return min(max(self.patience / LOOKS, least), most)

    def behind(self, pending: Collection[Peer], now: float) -> set[Peer]:
        """Those of the `pending` whom the others wait for, once nobody has got on for as long as one is patient."""
        signs = self._signs()
        seen = {peer: stage for peer, stage in self._stages().items() if peer in pending}
        if (seen, signs) != self._seen:
            self._seen, self._changed = (seen, signs), now
        if now - self._changed < self.patience:
            return set()
        return {peer for peer, stage in seen.items() if stage == min(seen.values())}


def survey(
    asked: Mapping[Peer, Future[T]],
    fence: Callable[[Peer], bool],
    trouble: Future[str],
    seconds: float,
    silence: float,
    progress: Progress | None = None,
) -> tuple[dict[Peer, T], dict[Peer, str]]:
    """The answers of those who are left, and why each of the others is lost.

    A process that has ended is lost, and one that others wait for in vain, or that says nothing for `silence` seconds
    after others have answered, or for `seconds` in all; with `progress`, one that keeps it from going on instead:
    `fence` then ends it, and says whether it is gone. Raises the root cause of what else goes wrong: what a process
    raises, or `trouble` with what carries them.
    """
    found = _Found(asked)
    calm: set[Future[Any]] = {trouble}
    deadline = math.inf if progress else time.monotonic() + seconds
    while found.pending:
        limit = min(deadline, found.last + silence) if found.last and not progress else deadline
        left = limit - time.monotonic()
        left = min(left, progress.interval) if progress else left
        done, _ = wait({*found.pending, *calm}, timeout=left, return_when=FIRST_COMPLETED)
        if done & calm:  # who lives may still answer
            deadline, calm = min(deadline, time.monotonic() + GRACE_SECONDS), set()
        for future in done & found.pending:
            found.take(future)
        if found.errors:
            deadline = min(deadline, time.monotonic() + GRACE_SECONDS)
        if time.monotonic() >= limit:
            if found.errors or trouble.done():
                break
            found.suspect(limit - (found.last or limit - seconds))
        if progress and not found.errors and not trouble.done():
            found.end(progress.behind(found.waited_for, time.monotonic()), fence, progress.patience)
        found.end_suspects(fence)
    if (found.errors or found.pending or found.lost) and trouble.done():
        found.errors.append(RayLost(trouble.result()))
    if found.errors:
        raise root_cause(found.errors)
    return found.answers, found.lost


class _Found(Generic[T]):
    """What is known so far."""

    def __init__(self, asked: Mapping[Peer, Future[T]]) -> None:
        self._peers: dict[Future[T], Peer] = {future: peer for peer, future in asked.items()}
        self._suspects: dict[Peer, str] = {}
        self.pending: set[Future[Any]] = {*asked.values()}
        self.answers: dict[Peer, T] = {}
        self.lost: dict[Peer, str] = {}
        self.errors: list[BaseException] = []
        self.last = 0.0
        """When the last answer came."""

    def take(self, future: Future[T]) -> None:
        self.pending.remove(future)
        self.last = time.monotonic()
        peer, error = self._peers[future], future.exception()
        if isinstance(error, ProcessDied):
            self.lost[peer] = DIED
        elif error:
            self.errors.append(attributed(error, peer))
        else:
            self.answers[peer] = answer = future.result()
            if isinstance(answer, Report) and answer.lost:
                self._accuse(answer.lost)

    def _accuse(self, error: PeerLost) -> None:
        accused = [peer for peer in self._peers.values() if str(peer) == error.peer]
        self._suspects |= dict.fromkeys(accused, error.what)
        if not accused:  # it is none that can be replaced
            self.errors.append(error)

    def suspect(self, seconds: float) -> None:
        """Whoever has not answered has been silent for so long."""
        self._suspects |= {self._peers[future]: f"{SILENT} for {in_seconds(seconds)}" for future in self.pending}

    @property
    def waited_for(self) -> set[Peer]:
        return {self._peers[future] for future in self.pending}

    def end(self, behind: Collection[Peer], fence: Callable[[Peer], bool], seconds: float) -> None:
        """Ends those that others have waited for so long. Raises ProcessDied where one cannot be ended."""
        self._suspects |= dict.fromkeys(behind, f"{SILENT} for {in_seconds(seconds)}")
        for future in [future for future in self.pending if self._peers[future] in behind and not future.done()]:
            self._end(future, fence)

    def end_suspects(self, fence: Callable[[Peer], bool]) -> None:
        """Once nobody else is waited for. Raises ProcessDied where one cannot be ended: it might still write."""
        if not self.pending or not self.waited_for <= self._suspects.keys():
            return
        silent = all(self._suspects[self._peers[future]].startswith(SILENT) for future in self.pending)
        wait(self.pending, timeout=WORD_SECONDS if silent else GRACE_SECONDS)
        for future in [future for future in self.pending if not future.done()]:
            self._end(future, fence)

    def _end(self, future: Future[Any], fence: Callable[[Peer], bool]) -> None:
        """It might still write."""
        peer = self._peers[future]
        if not fence(peer):
            raise ProcessDied(self._suspects[peer], peer)
        self.lost[peer] = self._suspects[peer]
        self.pending.remove(future)
