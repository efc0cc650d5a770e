"""A small process that tidies up when the command that started it is killed and cannot do so itself.

Ray's own processes notice a killed driver too, but some of them need over a minute; nobody else closes the run in
the tracking store. The warden reads lines of JSON from a pipe that only the driver writes: whatever kills the
driver ends the pipe.
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from dist_bp.processes import descendants, known, patience
from dist_bp.runtime.guard import KILL_SECONDS, PROGRAM

if TYPE_CHECKING:
    from concurrent.futures import Future

START = f"""
import sys
sys.path.append({str(Path(__file__).parents[2])!r})
{PROGRAM}
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
            deadline = time.monotonic() + patience(2 * KILL_SECONDS)
            while any(folder.exists() for folder in self._folders) and time.monotonic() < deadline:
                time.sleep(0.05)
            return
        with contextlib.suppress(OSError):
            self._stdin.close()
        try:
            self._process.wait(patience(2 * KILL_SECONDS))
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
