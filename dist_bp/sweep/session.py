"""A training job in a thread that stops after epochs until it is told what to do."""

import math
import queue
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dist_bp.config import JobConfig
from dist_bp.errors import Interrupted
from dist_bp.runtime.pool import Pool
from dist_bp.track.drawing import Drawing
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.job import Lent, run_job
from dist_bp.train.observer import Observer, Progress
from dist_bp.train.result import Result

LOOK_SECONDS = 5.0
TELL_SECONDS = 1.0


@dataclass(frozen=True)
class Epoch:
    """What a job tells of an epoch; `values` by monitor name, `kept` those of the epoch that would be given back,
    `seconds` of training so far."""

    number: int
    values: dict[str, float]
    kept: dict[str, float]
    seconds: float


class Released:
    """What a job says once its processes are free for another."""


class Doings(Observer):
    """Knows what a job is busy with, in a few words."""

    def __init__(self) -> None:
        self.now = "starting"

    def phase(self, what: str) -> None:
        self.now = what

    def progress(self, progress: Progress) -> None:
        self.now = f"epoch {progress.epoch}/{progress.epochs}"


class Session:
    """Use `advance` until it returns a Result, or `stop` and `join`; all raise what the job raises.

    The job stops after each epoch of which `waits` says so; of the others it tells one a second.
    """

    def __init__(
        self,
        config: JobConfig,
        run_id: str,
        resume: Path | None,
        waits: Callable[[int], bool],
        pool: Pool,
        drawing: Drawing,
    ) -> None:
        self._waits = waits
        self._told = time.monotonic()
        self._said: queue.SimpleQueue[Epoch | Path | Released | Result | BaseException] = queue.SimpleQueue()
        self._orders: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.interrupt = Interrupt()
        self.doings = Doings()
        self.waiting = False
        """Whether the job is between two epochs."""
        self._released = self._over = False
        self._owed = False
        """Whether the job has still to save what it was asked to: it comes to the end of that epoch again where it has
        lost processes meanwhile."""
        arguments = (config, run_id, resume, pool, drawing)
        self._thread = threading.Thread(target=self._run, args=arguments, name="training", daemon=True)
        self._thread.start()

    def advance(self, seconds: float) -> Epoch | Result | None:
        """Trains for an epoch or more: returns the result where the job came to its end, None if neither came in
        `seconds`."""
        if self.waiting:
            self._orders.put("go")
            self.waiting = False
        answer = self._hear(seconds)
        if isinstance(answer, Path):
            raise RuntimeError("the job saved a checkpoint that nobody asked for")
        return answer

    def save(self) -> Path:
        """The folder of a checkpoint of the epoch that `advance` returned last."""
        self._orders.put("save")
        answer = self._hear()
        if not isinstance(answer, Path):
            raise RuntimeError("the job did not save when it was asked to")
        return answer

    def stop(self) -> None:
        """Ends the training; when it returns the job's processes are free for another.

        After an epoch that `advance` returned the job evaluates and publishes. In the middle of one it is interrupted:
        it saves a checkpoint.
        """
        if not self.waiting:
            self.interrupt.requested = "the sweep ended"
        with suppress(Interrupted):
            while not (self._released or self._over):
                if self.waiting:
                    self._orders.put("stop")
                self._hear()

    def join(self) -> None:
        """Waits until all of a stopped job is recorded, and everything free."""
        with suppress(Interrupted):
            while not self._over:
                self._hear()
        self._thread.join()

    def _hear(self, seconds: float = math.inf) -> Epoch | Path | Result | None:
        """What the job says next; None where it says nothing for so long."""
        deadline = time.monotonic() + seconds
        answer: Any = None
        while answer is None:
            left = deadline - time.monotonic()
            try:
                answer = self._said.get(timeout=max(min(left, LOOK_SECONDS), 0))
            except queue.Empty:
                if not self._thread.is_alive() and self._said.empty():
                    answer = RuntimeError("the training thread ended without a word")
                elif left <= 0:
                    return None
        self.waiting = isinstance(answer, Epoch | Path)
        if isinstance(answer, Released):
            self._released = True
            return None
        self._over = not self.waiting
        if isinstance(answer, BaseException):
            raise answer
        return answer  # type: ignore[no-any-return]

    def epoch(
        self,
        epoch: int,
        values: dict[str, float],
        kept: dict[str, float],
        seconds: float,
        save: Callable[[], Path],
    ) -> str | None:
        """Called by the job, see `dist_bp.train.steering`."""
        if not self._owed:
            if not self._waits(epoch) and time.monotonic() - self._told < TELL_SECONDS:
                return None
            self._said.put(Epoch(epoch, values, kept, seconds))
        while self._owed or (order := self._orders.get()) == "save":
            self._owed = True
            self._said.put(save())
            self._owed = False
        self._told = time.monotonic()
        return None if order == "go" else f"given up by the sweep after epoch {epoch}"

    def released(self) -> None:
        """Called by the job, see `dist_bp.train.steering`."""
        self._said.put(Released())

    def _run(self, config: JobConfig, run_id: str, resume: Path | None, pool: Pool, drawing: Drawing) -> None:
        try:
            checkpoint = str(resume) if resume else None
            self._said.put(run_job(config, checkpoint, self.doings, None, run_id, Lent(self, pool, drawing)))
        except BaseException as error:
            self._said.put(error)
