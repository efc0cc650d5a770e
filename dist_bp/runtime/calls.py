"""Calls into Ray: each has a deadline, for Ray may wait without an end for a process of its own that is gone."""

import atexit
import gc
import io
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, NoReturn, TypeVar

from dist_bp.errors import TrainingFailed
from dist_bp.messages import in_seconds
from dist_bp.runtime.exit_code import exit_code, watch

LAST_WORD_SECONDS = 1.0
"""For an answer that is on its way when something goes wrong with Ray."""

AFTERWARDS_SECONDS = 20.0
"""For an end of Ray that was late, once the processes that it may wait for have been ended."""

T = TypeVar("T")


class RayLost(TrainingFailed):
    """Ray itself, not the job, has failed: a process of its own stopped, ended or does not answer."""


class Caller:
    """A thread that makes the calls, one after the other, as long as this process lives.

    For ever, because Ray's processes end with the thread that started them. The one that asks waits beside it and can
    be interrupted at any time.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._last: Future[Any] | None = None
        self._late = False
        self.abandoned = False

    def call(
        self, doing: str, function: Callable[[], T], seconds: float | None, trouble: Future[str], setting: str = ""
    ) -> T:
        """What the function returns or raises.

        Raises RayLost at the deadline, which names the `setting` that it is from, if any; or when `trouble` says what
        is wrong with Ray.
        """
        if self.abandoned:
            raise RayLost("Ray has failed in this process before: start a new one")
        result: Future[T] = Future()
        self._last = result
        self._calls.put((result, function))
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="ray calls", daemon=True)
            self._thread.start()
        ends: list[Future[Any]] = [result, trouble]
        wait(ends, seconds, return_when=FIRST_COMPLETED)
        if not result.done() and trouble.done():
            wait([result], LAST_WORD_SECONDS)
        if result.done():
            return result.result()
        if trouble.done() or seconds is None:
            raise RayLost(trouble.result())
        remedy = f" (raise {setting} where it takes longer)" if setting else ""
        raise RayLost(f"Ray did not answer for {in_seconds(seconds)} while {doing}{remedy}")

    @property
    def busy(self) -> bool:
        """Whether Ray has not answered the last call."""
        return self._last is not None and not self._last.done()

    def abandon(self) -> None:
        """No more calls: this process has to end without Ray, whose own handlers would wait for what is gone."""
        if not self.abandoned:
            self.abandoned = True
            watch()
            atexit.register(lambda: leave(exit_code(1)))

    def late(self) -> Future[Any] | None:
        """The last call, by which Ray ends, takes its time: the next connection waits for it, as does this process."""
        if not self._late:
            self._late = True
            watch()
            atexit.register(self._leave)
        return self._last

    def rest(self, seconds: float) -> None:
        """Waits for a call that is `late`. Raises RayLost at the deadline."""
        if not self._late or self._last is None:
            return
        wait([self._last], seconds)
        if self.busy:
            raise RayLost(f"the Ray of an earlier run has not ended within {seconds:.0f} s: start a new process")
        self._late = False
        atexit.unregister(self._leave)

    def _leave(self) -> None:
        """At the end of this process, which Ray's own handlers might keep for ever."""
        if self._last is not None:
            wait([self._last], AFTERWARDS_SECONDS)
        if self.busy:
            leave(exit_code(0))

    def _serve(self) -> None:
        while True:
            result, function = self._calls.get()
            try:
                result.set_result(function())
            except BaseException as error:
                result.set_exception(error)


def leave(code: int) -> NoReturn:
    """Ends this process at once; what it has written to open files is kept."""
    logging.shutdown()
    gc.collect()
    for kind in (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom):  # texts first: they write to the others
        for file in [found for found in gc.get_objects() if type(found) is kind]:
            with suppress(OSError, ValueError):  # closed, or its reader is gone
                file.flush()
    os._exit(code)


CALLER = Caller()
"""Of this process, which can be connected to one Ray at a time."""
