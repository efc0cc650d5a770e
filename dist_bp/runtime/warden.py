"""A small process that ends a local Ray when the command that started it dies without being able to.

Ray's own processes notice a killed driver too, but some of them need over a minute. The warden reads from a pipe
that only the driver writes: whatever kills the driver ends the pipe. It imports nothing beyond the standard
library, so that it starts in milliseconds, and it knows a process by id and start time, so that it never ends a
stranger that was given the id of a dead one.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

DONE = "done"


class Warden:
    """The driver's side. `folder` is removed when the run is over, or by the warden when the driver was killed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__, str(folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def watch(self, pids: Iterable[int]) -> None:
        """Adds processes to those that must not outlive the driver."""
        for pid in pids:
            if started := start_time(pid):
                self._tell(f"{pid} {started}")

    def dismiss(self) -> None:
        """The driver has ended everything by itself."""
        self._tell(DONE)
        with contextlib.suppress(OSError):
            self._stdin.close()
        self._process.wait(10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._stdin.write(line + "\n")
            self._stdin.flush()

    @property
    def _stdin(self) -> TextIO:
        assert self._process.stdin is not None
        return self._process.stdin


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None where there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command, in brackets, may hold spaces; the start time is field 22 of proc(5), the 20th behind it.
    return text.rpartition(")")[2].split()[19]


def stand_guard(folder: str) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    watched: dict[int, str] = {}
    for line in sys.stdin:
        if line.strip() == DONE:
            return
        pid, started = line.split()
        watched[int(pid)] = started
    for pid, started in watched.items():
        if start_time(pid) == started:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    stand_guard(sys.argv[1])
