"""What a process is asked and answers over its standard streams, with a limit on the time.

Whoever waits looks up now and then: a process may have ended, and another hold its streams.
"""

import os
import select
import subprocess
from threading import Event
from time import monotonic

LOOK_SECONDS = 0.1
CHUNK_BYTES = 2**16


class Ended(ValueError):
    """The process has ended, or nobody wants an answer any more."""


class Talk:
    """One thread at a time may ask and listen; any may `stop` it."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdin
        assert process.stdout
        self._process, self._asked, self._answers = process, process.stdin.fileno(), process.stdout.fileno()
        self._read = bytearray()
        self._stopped = Event()
        for stream in (self._asked, self._answers):
            os.set_blocking(stream, False)

    def stop(self) -> None:
        """Whoever listens does so no longer."""
        self._stopped.set()

    def send(self, data: bytes, until: float) -> None:
        """Raises OSError where nobody reads it, Ended, and TimeoutError after `until` of the monotonic clock."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._asked, left) :]
            except BlockingIOError:
                self._wait(self._asked, select.POLLOUT, until)

    def line(self, until: float) -> bytes:
        """The next line, without its end; raises Ended and TimeoutError."""
        looked, chunk = 0, memoryview(bytearray(CHUNK_BYTES))
        while (end := self._read.find(b"\n", looked)) < 0:
            looked = len(self._read)
            self._read += chunk[: self._some(chunk, until)]
        line = bytes(self._read[:end])
        del self._read[: end + 1]
        return line

    def fill(self, view: memoryview, until: float) -> None:
        """Reads as many bytes as the view has; raises Ended and TimeoutError."""
        done = min(len(view), len(self._read))
        view[:done] = self._read[:done]
        del self._read[:done]
        while done < len(view):
            done += self._some(view[done:], until)

    def _some(self, view: memoryview, until: float) -> int:
        while True:
            try:
                if count := os.readv(self._answers, [view]):
                    return count
            except BlockingIOError:
                self._wait(self._answers, select.POLLIN, until)
            else:
                raise Ended("the answer is not complete")

    def _wait(self, stream: int, event: int, until: float) -> None:
        waiting = select.poll()
        waiting.register(stream, event)
        while True:
            over = self._stopped.is_set() or self._process.poll() is not None
            if waiting.poll(0 if over else LOOK_SECONDS * 1000):
                return
            if over:
                raise Ended("it has ended")
            if monotonic() > until:
                raise TimeoutError
