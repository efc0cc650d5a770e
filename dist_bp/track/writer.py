"""The background writer: takes points at once, hands them to a slow or failing store in batches."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from dist_bp.messages import first_line
from dist_bp.track.spool import Point, Spool

SPILL_SIZE = 1000
LINE_LENGTH = 200


class Rejected(Exception):
    """The store will never take this: it is dropped and reported instead of tried again."""


@dataclass(frozen=True)
class Unwritten:
    """What the store did not get: points kept in the spool, points lost, tasks not done, and why."""

    spooled: int
    spool: Path
    lost: int
    tasks: tuple[str, ...]
    reasons: tuple[str, ...]
    end_waits: bool = False
    """Whether the status and last tags of the run are kept as well."""

    def lines(self) -> list[str]:
        """One line for each kind of loss; none if everything was written."""
        lines = []
        if self.spooled or self.end_waits:
            parts = [f"{self.spooled} metric values"] * bool(self.spooled) + ["the end of the run"] * self.end_waits
            lines.append(
                f"{' and '.join(parts)} wait in {self.spool if self.spooled else self.spool.parent}: "
                "`dist-bp runs replay`, or the next command in this folder on the same store, delivers them"
            )
        if self.lost:
            lines.append(f"{self.lost} metric values are lost")
        if self.tasks:
            lines.append(f"not recorded: {', '.join(self.tasks)}")
        if lines and self.reasons:
            lines[0] += f" ({'; '.join(self.reasons)})"
        return lines


class BackgroundWriter:
    """Writes points and runs tasks in one thread, in the order given, for as long as it takes.

    Points wait in memory; beyond `capacity` the oldest move to the spool, which is always emptied before
    newer points are written. A batch that fails is tried again with growing pauses. So what is waiting is,
    oldest first: the batch being written, the spool, the queue.

    Args:
        write: stores a batch; may be called again with the same batch after it failed. Raises `Rejected` if
            trying again is useless, anything else if the store may recover.
        spool: where points wait beyond the memory; what an earlier process left there is written first.
        interval: seconds between two rounds of writing.
        batch_size: the most points of one batch.
        capacity: the most points in memory.
        pauses: shortest and longest pause in seconds after a failure.
    """

    def __init__(
        self,
        write: Callable[[Sequence[Point]], None],
        spool: Spool,
        *,
        interval: float = 1.0,
        batch_size: int = 1000,
        capacity: int = 100_000,
        pauses: tuple[float, float] = (0.5, 15.0),
    ) -> None:
        self._write = write
        self._spool = spool
        self._interval = interval
        self._batch_size = batch_size
        self._capacity = capacity
        self._pauses = pauses
        self._queue: deque[Point] = deque()
        self._newest: Point | None = None
        self._tasks: deque[tuple[str, Callable[[], object]]] = deque()
        self._later: dict[str, tuple[float, Callable[[], object]]] = {}
        self._batch: list[Point] = []
        self._batch_in_spool = False
        self._lock = threading.Lock()  # the batch, the spool, the queue's old end; never held for the store
        self._wake = threading.Event()
        self._closing = False
        self._abandoned = False
        self._last_progress = 0.0
        self._lost = 0
        self._failed_tasks: list[str] = []
        self._rejections: list[str] = []  # the first few, each once
        self._failure: str | None = None
        self._failing_since: float | None = None
        self._thread = threading.Thread(target=self._run, name="tracking-writer", daemon=True)
        self._thread.start()

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Take points. Does not wait for the store and does not raise; after `close` it does nothing.

        Those of one step that follow each other have different times: a store keeps equal points once.
        """
        if self._closing:
            return
        now, before = time.time_ns() // 1_000_000, self._newest
        now = max(now, before.timestamp + 1) if before and before.step == step else now
        try:
            points = [Point(name, float(value), now, step) for name, value in values.items()]
        except (TypeError, ValueError, OverflowError) as error:
            self._lost += len(values)
            self._note_rejection(error)
            return
        self._newest = points[-1] if points else before
        self._queue.extend(points)
        if len(self._queue) > self._capacity:
            self._spill()

    def submit(self, name: str, task: Callable[[], object]) -> None:
        """Run `task` when the points given so far are written; it is repeated like a batch if it fails."""
        self._tasks.append((name, task))
        self._wake.set()

    def submit_later(self, name: str, task: Callable[[], object], seconds: float) -> None:
        """Submit `task` in `seconds`, or at the end; one of this name that waits already is replaced."""
        due, _ = self._later.get(name, (time.monotonic() + seconds, None))
        self._later[name] = (due, task)

    def keep(self) -> None:
        """Move the points in memory to the spool, on the disk: they survive this process and its machine.

        What finds no room there stays in memory.
        """
        with self._lock:
            if self._abandoned:
                return
            self._spool_batch()
            points = self._take(len(self._queue))
            if refused := self._spool.append(points):
                self._queue.extendleft(reversed(points[-refused:]))
            with suppress(OSError):
                self._spool.sync()

    def write_points(self) -> None:
        """Write the points given so far, for a task that needs them in the store."""
        while self._write_batch():
            pass

    @property
    def failing_seconds(self) -> float:
        """How long the store has been failing; 0 while it works."""
        since = self._failing_since
        return 0.0 if since is None else time.monotonic() - since

    def close(self, patience: float, stall: float) -> Unwritten:
        """Write everything; points that remain go to the spool.

        Takes as long as the store takes batches. Gives up when it has been failing for `patience` seconds, or
        has neither taken anything nor failed for `stall` seconds.
        """
        self._closing = True
        begin = time.monotonic()
        self._wake.set()
        while self._thread.is_alive():
            self._thread.join(0.05)
            silent = time.monotonic() - max(begin, self._last_progress)
            if silent > stall or min(silent, self.failing_seconds) > patience:
                break
        with self._lock:
            self._abandoned = True
            self._keep_remaining_points()
        self._wake.set()
        reasons = self._rejections if self._failure is None else [*self._rejections, self._failure]
        return Unwritten(
            spooled=len(self._spool),
            spool=self._spool.path,
            lost=self._lost,
            tasks=(*self._failed_tasks, *(name for name, _ in list(self._tasks)), *list(self._later)),
            reasons=tuple(reasons),
        )

    def _run(self) -> None:
        pause, failures = self._interval, 0
        shortest, longest = self._pauses
        while not self._abandoned:
            self._wake.wait(pause)
            self._wake.clear()
            try:
                self._drain()
            except Exception as error:
                self._failure = _shortened(error)
                self._failing_since = self._failing_since or time.monotonic()
                pause = min(shortest * 2**failures, shortest if self._closing else longest)
                failures += 1
                continue
            self._failure = self._failing_since = None
            pause, failures = self._interval, 0
            if self._closing:
                if not self._waiting():
                    return
                pause = 0

    def _drain(self) -> None:
        self.write_points()
        self._submit_what_is_due()
        while self._tasks and not self._abandoned:
            name, task = self._tasks[0]
            try:
                task()
            except Rejected as error:
                self._failed_tasks.append(name)
                self._note_rejection(error)
            self._tasks.popleft()
            self._last_progress = time.monotonic()

    def _submit_what_is_due(self) -> None:
        now = time.monotonic()
        for name, (due, _) in list(self._later.items()):
            if self._closing or due <= now:
                self._tasks.append((name, self._later.pop(name)[1]))

    def _write_batch(self) -> bool:
        """Write the oldest batch; says whether a full one was waiting, so that there may be more."""
        batch = self._next_batch()
        if not batch:
            return False
        try:
            self._write(batch)
        except Rejected as error:
            self._lost += len(batch)
            self._note_rejection(error)
        self._batch_done()
        return len(batch) == self._batch_size

    def _next_batch(self) -> list[Point]:
        with self._lock:
            if self._abandoned:
                return []
            if not self._batch:
                self._batch_in_spool = len(self._spool) > 0
                self._batch = (
                    self._spool.peek(self._batch_size) if self._batch_in_spool else self._take(self._batch_size)
                )
            return self._batch

    def _batch_done(self) -> None:
        with self._lock:
            if self._abandoned:
                return
            if self._batch_in_spool:
                self._spool.discard(len(self._batch))
            self._batch = []
            self._last_progress = time.monotonic()

    def _take(self, limit: int) -> list[Point]:
        return [self._queue.popleft() for _ in range(min(limit, len(self._queue)))]

    def _waiting(self) -> bool:
        with self._lock:
            return bool(self._batch or len(self._spool) or self._queue or self._tasks or self._later)

    def _spill(self) -> None:
        with self._lock:
            self._spool_batch()
            self._lost += self._spool.append(self._take(SPILL_SIZE))

    def _spool_batch(self) -> int:
        """Put a batch that is in memory alone before what waits in the spool: a run that goes on takes for recorded
        whatever is older than the newest point there. Returns how many points found no room: none or all of them."""
        if not self._batch or self._batch_in_spool:
            return 0
        refused = self._spool.prepend(self._batch)
        self._batch_in_spool = refused == 0
        return refused

    def _keep_remaining_points(self) -> None:
        self._lost += self._spool_batch()
        self._batch = []
        self._lost += self._spool.append(self._take(len(self._queue)))
        with suppress(OSError):
            self._spool.compact()

    def _note_rejection(self, error: Exception) -> None:
        reason = _shortened(error)
        if reason not in self._rejections and len(self._rejections) < 3:
            self._rejections.append(reason)


def _shortened(error: Exception) -> str:
    return shorten(first_line(error), LINE_LENGTH, placeholder=" ...")
