"""Looks after Ray's own processes: live workers go on without them, and Ray tells of their end late or never."""

import contextlib
import os
import select
import threading
from concurrent.futures import Future
from pathlib import Path

from dist_bp.processes import Known, alive, known, mentioning, name_of, state_of

LOOK_SECONDS = 0.25
STOPPED_LOOKS = 12
"""Looks in a row, so that one who stops and continues everything, such as a debugger, does not end the run."""

OWN = {"raylet": "raylet", "gcs_server": "GCS"}


class RayWatch:
    """A thread that looks at the raylet and the GCS that work in a folder, as far as they run on this machine.

    `trouble` gets what is wrong with the first of them that ends, or stays stopped.
    """

    def __init__(self, folder: Path) -> None:
        self.trouble: Future[str] = Future()
        self._folder = folder
        self._known: dict[str, Known] = {}
        self._stopped: dict[str, int] = {}
        self._handles: dict[str, int] = {}
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._run, name="ray watch", daemon=True).start()

    def look(self) -> None:
        """Looks now whether one has ended."""
        with self._lock:
            self._judge()

    def close(self) -> None:
        """From now on the end of Ray's processes is no trouble."""
        with self._lock:
            self._closed = True

    def _run(self) -> None:
        while not self._closed and not self.trouble.done():
            with self._lock:
                self._find()
                self._count()
                self._judge()
            self._sleep()
        for handle in self._handles.values():
            os.close(handle)

    def _sleep(self) -> None:
        """Until the next look is due, or a process has ended."""
        poll = select.poll()
        for handle in self._handles.values():
            poll.register(handle, select.POLLIN)
        poll.poll(LOOK_SECONDS * 1000)

    def _find(self) -> None:
        if len(self._known) == len(OWN):
            return
        for pid in mentioning(str(self._folder)):
            name = name_of(pid)
            if name in OWN and name not in self._known and (process := known([pid])):
                self._known[name] = process
                with contextlib.suppress(OSError):  # a system without them
                    self._handles[name] = os.pidfd_open(pid)

    def _count(self) -> None:
        for name, process in self._known.items():
            self._stopped[name] = self._stopped.get(name, 0) + 1 if state_of(process) in ("T", "t") else 0

    def _judge(self) -> None:
        for name, process in self._known.items():
            (pid,) = process
            if not alive(process):
                self._tell(f"Ray's {OWN[name]} (process {pid}) has crashed or was killed")
            elif self._stopped.get(name, 0) >= STOPPED_LOOKS:
                self._tell(f"Ray's {OWN[name]} (process {pid}) has been stopped by a signal")

    def _tell(self, what: str) -> None:
        if not self._closed and not self.trouble.done():
            self.trouble.set_result(f"{what}: Ray has failed, not the job")
