"""A small process that tidies up when the command that started it is killed and cannot do so itself.

Ray's own processes notice a killed driver too, but some of them need over a minute; nobody else closes the run in
the tracking store. The warden reads lines of JSON from a pipe that only the driver writes: whatever kills the
driver ends the pipe. It imports nothing beyond the standard library, so that it starts in milliseconds, and it
knows a process by id and start time, so that it never ends a stranger that was given the id of a dead one.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any, Self

LAST_COMMAND_SECONDS = 60


class Warden:
    """The driver's side, a context manager. Leaving it, by return or exception, dismisses the warden."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-S", "-E", __file__, str(os.getpid())],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self.pid = self._process.pid
        return self

    def __exit__(self, *_: object) -> None:
        self._tell("dismiss", None)
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def watch(self, pids: Iterable[int]) -> None:
        """Adds processes to those that must not outlive the driver."""
        for pid in pids:
            if started := start_time(pid):
                self._tell("process", [pid, started])

    def remove(self, folder: Path) -> None:
        """Adds a folder to what is removed."""
        self._tell("folder", str(folder))

    def run(self, command: list[str]) -> None:
        """Adds a command to be run once the processes are gone."""
        self._tell("command", command)

    def _tell(self, kind: str, value: Any) -> None:
        with contextlib.suppress(OSError):
            self._stdin.write(json.dumps([kind, value]) + "\n")
            self._stdin.flush()

    @property
    def _stdin(self) -> IO[str]:
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


def stand_guard(driver: str) -> None:
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.SIG_IGN)
    told: dict[str, list[Any]] = {"process": [], "folder": [], "command": []}
    for line in sys.stdin:
        kind, value = json.loads(line)
        if kind == "dismiss":
            return
        told[kind].append(value)
    print(f"error: the driver (process {driver}) was killed; ending what it started", file=sys.stderr, flush=True)
    for pid, started in told["process"]:
        if start_time(pid) == started:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
    for folder in told["folder"]:
        shutil.rmtree(folder, ignore_errors=True)
    for command in told["command"]:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(command, timeout=LAST_COMMAND_SECONDS, check=False)


if __name__ == "__main__":
    stand_guard(sys.argv[1])
