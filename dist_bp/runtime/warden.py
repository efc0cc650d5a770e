"""A small process that tidies up when the command that started it is killed and cannot do so itself.

Ray's own processes notice a killed driver too, but some of them need over a minute; nobody else closes the run in
the tracking store. The warden reads lines of JSON from a pipe that only the driver writes: whatever kills the
driver ends the pipe. It imports nothing beyond the standard library, so that it starts in milliseconds, and it
knows a process by id and start time, so that it never ends a stranger that was given the id of a dead one.
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
from typing import IO, TYPE_CHECKING, Any, Self

from dist_bp.processes import Known, alive, descendants, known, logging_to, mentioning, name_of

if TYPE_CHECKING:
    from concurrent.futures import Future

    from dist_bp.runtime.watch import RayWatch

LOOK_SECONDS = 0.2
TELL_SECONDS = 1.0
"""In which the driver, if it can, tells of what has happened to Ray's own processes while they start."""
KILL_SECONDS = 5.0
LAST_COMMAND_SECONDS = 60

START = f"""
import sys
sys.path.append({str(Path(__file__).parents[2])!r})
from dist_bp.runtime.warden import main
main()
"""
"""Run without the environment's packages, whose import would take longer than all else."""


class Warden:
    """The driver's side, a context manager. When it is left, the warden ends what may still be there, and itself."""

    def __init__(self) -> None:
        self._folders: list[Path] = []
        self._stays = False
        self._ending: Future[Any] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", START, str(os.getpid())],
            stdin=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        if self._ending:
            self._tell("free", None)
            self._ending.add_done_callback(lambda _: self._tell("dismiss", None))
        else:
            self._tell("dismiss", None)
        if self._stays:
            deadline = time.monotonic() + 2 * KILL_SECONDS
            while any(folder.exists() for folder in self._folders) and time.monotonic() < deadline:
                time.sleep(0.05)
            return
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(2 * KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def folder(self) -> Path:
        """A new folder in the temporary one, for this user alone. It is guarded before it is there."""
        from dist_bp.runtime.temporary import temporary_folder  # a slow import, not needed at the other end

        folder = temporary_folder() / _name()
        self.guard(folder)
        folder.mkdir(0o700)
        return folder

    @contextlib.contextmanager
    def temporary_files(self) -> Iterator[None]:
        """What Python's `tempfile` makes in this process meanwhile, such as MLflow on its way to the store, goes with
        the warden, even if this process is killed."""
        from dist_bp.runtime.temporary import configured, temporary_files_in

        folder = Path(configured()) / _name()
        self._folders.append(folder)
        self._tell("folder", str(folder))
        folder.mkdir(0o700)
        with temporary_files_in(folder):
            yield

    def guard(self, folder: Path) -> None:
        """From now on: whatever the driver starts, and `folder`, must not outlive it."""
        self._folders.append(folder)
        self._tell("guard", [sorted(descendants(os.getpid())), str(folder)])

    def settle(self) -> None:
        """All that is to be guarded has been started; the warden looks once more and then only waits."""
        self._tell("settle", None)

    def also(self, pids: Iterable[int]) -> None:
        """Processes that others have started for the driver; they must not outlive it either."""
        self._tell("also", known(pids))

    def spare(self, pids: Iterable[int]) -> None:
        """Processes of `also` that are to outlive this warden."""
        self._tell("spare", list(pids))

    def stay(self, ending: "Future[Any] | None" = None) -> None:
        """When it is left the warden clears up, and once more when the driver has ended: threads of it that cannot be
        stopped may still start processes.

        `ending` is a call that still ends Ray. Until it has, the GCS is left alone: the call asks it, and where it is
        gone Ray ends the driver after a minute.
        """
        self._stays, self._ending = True, ending
        self.settle()

    def run(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        """A command for after the driver was killed, once its processes are gone, and what its environment adds."""
        self._tell("command", [command, environment or {}])

    def _tell(self, kind: str, value: Any) -> None:
        with contextlib.suppress(OSError):
            self._stdin.write(json.dumps([kind, value]) + "\n")
            self._stdin.flush()

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin


def _name() -> str:
    return f"dist_bp-{os.urandom(4).hex()}"


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
            print(f"error: {why}; ending what it started", file=sys.stderr, flush=True)
        self._clear_up()
        for command, environment in [] if dismissed else self._commands:
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
        found: set[int] = set()
        for root in (self._driver, *self._known) if self._looking else (*self._known,):
            found |= descendants(root)
        for folder in self._guarded:
            found |= mentioning(str(folder)) | logging_to(folder)
        self._known |= known(found - self._strangers)

    def _end_processes(self, spared: str | None = None) -> None:
        """`spared` is the name of those that go on."""
        deadline = time.monotonic() + KILL_SECONDS
        while time.monotonic() < deadline:
            self._look()
            left = {pid for pid in alive(self._known) if spared is None or name_of(pid) != spared}
            if not left:
                return
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def _remove_folders(self) -> None:
        """Tries again for a while: what is dying may still write."""
        deadline = time.monotonic() + KILL_SECONDS
        while (left := [folder for folder in self._folders if folder.exists()]) and time.monotonic() < deadline:
            for folder in left:
                shutil.rmtree(folder, ignore_errors=True)
            time.sleep(0.05)


def main() -> None:
    """The warden's process; its argument is the driver's id."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    Guard(int(sys.argv[1])).stand()
