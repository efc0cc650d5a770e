"""The warden's own process: what it does when the command that started it is killed, or lets it go.

It imports nothing beyond the standard library, so that it starts in milliseconds, and it knows a process by id and
start time, so that it never ends a stranger that was given the id of a dead one.
"""

import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dist_bp.processes import Known, alive, descendants, known, logging_to, mentioning, name_of, patience

if TYPE_CHECKING:
    from concurrent.futures import Future

    from dist_bp.runtime.watch import RayWatch

LOOK_SECONDS = 0.2
TELL_SECONDS = 1.0
"""In which the driver, if it can, tells of what has happened to Ray's own processes while they start."""
KILL_SECONDS = 5.0
LAST_COMMAND_SECONDS = 60
WITHOUT_COMMANDS = signal.SIGUSR1
"""What one warden tells another whose driver it ends."""
PROGRAM = "from dist_bp.runtime.guard import main"


class Guard:
    """The warden's side."""

    def __init__(self, driver: int) -> None:
        self._driver = driver
        self._looking = False
        self._watch: RayWatch | None = None
        self._lost: tuple[float, str] | None = None
        """When Ray was lost before the driver had settled, and what is wrong with it."""
        self._strangers: set[int] = set()
        self._known: Known = {}
        self._guarded: list[Path] = []
        self._folders: list[Path] = []
        """Those that are guarded, and those that are only removed."""
        self._commands: list[tuple[list[str], dict[str, str]]] = []

    def leave_out_commands(self, *_: object) -> None:
        """Another warden has ended the driver."""
        self._commands.clear()

    def stand(self) -> None:
        """Returns when the driver has dismissed the warden, or is dead and its remains are removed."""
        dismissed = False
        for kind, value in self._messages():
            if kind == "guard":
                self._looking = True
                self._strangers = {*value[0], self._driver, os.getpid()}
                self._guarded.append(Path(value[1]))
                self._folders.append(Path(value[1]))
                self._watch_ray(Path(value[1]))
            elif kind == "folder":
                self._folders.append(Path(value))
            elif kind == "settle":
                self._look()
                self._looking = False
                self._settle()
            elif kind == "also":
                self._known |= {int(pid): started for pid, started in value.items()}
            elif kind == "spare":
                self._known = {pid: started for pid, started in self._known.items() if pid not in value}
            elif kind == "command":
                self._commands.append(value)
            elif kind == "free":
                dismissed = True
                self._end_processes(spared="gcs_server")
            else:
                dismissed = True
                self._clear_up()
        if not dismissed:
            why = self._lost[1] if self._lost else f"the driver (process {self._driver}) was killed"
            with contextlib.suppress(OSError):  # whoever heard it may be gone
                print(f"error: {why}; ending what it started", file=sys.stderr, flush=True)
        self._clear_up()
        while self._commands and not dismissed:
            command, environment = self._commands.pop(0)
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(command, env={**os.environ, **environment}, timeout=LAST_COMMAND_SECONDS, check=False)

    def _watch_ray(self, folder: Path) -> None:
        """Looks after Ray's own processes until the driver has settled.

        While the driver connects to them Ray may hold it with all its threads: when one of them is stopped, it can
        tell nobody and waits for ever; when one ends, so does the driver, without a word.
        """
        from dist_bp.runtime.watch import RayWatch  # a slow import, not needed by all

        driver = known([self._driver])

        def lose(trouble: "Future[str]") -> None:
            if alive(driver):  # or else it was the first to end
                self._lost = (time.monotonic(), trouble.result())

        self._watch = RayWatch(folder)
        self._watch.trouble.add_done_callback(lose)

    def _settle(self) -> None:
        if self._watch:
            self._watch.close()
        self._lost = None

    def _free_the_driver(self) -> None:
        """Ends what the driver waits for, if Ray was lost and the driver has not told."""
        if self._lost and time.monotonic() - self._lost[0] > TELL_SECONDS:
            self._end_processes()

    def _clear_up(self) -> None:
        self._end_processes()
        self._remove_folders()

    def _messages(self) -> Iterator[tuple[str, Any]]:
        """What the driver says until the pipe ends; between messages it looks for new processes if it has to."""
        pending = b""
        while True:
            if not select.select([0], [], [], LOOK_SECONDS if self._looking else None)[0]:
                self._look()
                self._free_the_driver()
                continue
            received = os.read(0, 65536)
            if not received:
                return
            *lines, pending = (pending + received).split(b"\n")
            for line in lines:
                kind, value = json.loads(line)
                yield kind, value

    def _look(self) -> None:
        """Adds what the driver has started, while Ray starts, what the known processes have started, and what has
        a guarded folder in its command line, or its output there: Ray's first processes, should the driver die before
        the next look, and the workers of a raylet that has died."""
        found = descendants(*([self._driver] if self._looking else []), *self._known)
        for folder in self._guarded:
            found |= mentioning(str(folder)) | logging_to(folder)
        self._known |= known(found - self._strangers)

    def _end_processes(self, spared: str | None = None) -> None:
        """`spared` is the name of those that go on.

        Other wardens end by themselves, once what they guard is gone. Their last commands are left to this one's, which
        know of the whole.
        """
        deadline = time.monotonic() + patience(KILL_SECONDS)
        while time.monotonic() < deadline:
            self._look()
            left = {pid for pid in alive(self._known) if spared is None or name_of(pid) != spared}
            if not left:
                return
            wardens = mentioning(PROGRAM)
            self._signal(left & wardens, WITHOUT_COMMANDS)
            self._signal(left - wardens, signal.SIGKILL)
            time.sleep(0.05)

    def _signal(self, pids: Iterable[int], number: signal.Signals) -> None:
        for pid in pids:
            with contextlib.suppress(OSError):
                os.kill(pid, number)

    def _remove_folders(self) -> None:
        """Tries again for a while: what is dying may still write."""
        deadline = time.monotonic() + patience(KILL_SECONDS)
        while (left := [folder for folder in self._folders if folder.exists()]) and time.monotonic() < deadline:
            for folder in left:
                shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.05)


def main() -> None:
    """The warden's process; its argument is the driver's id."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    guard = Guard(int(sys.argv[1]))
    signal.signal(WITHOUT_COMMANDS, guard.leave_out_commands)
    guard.stand()
