"""Looks after Ray's own processes: live workers go on without them, and Ray tells of their end late or never."""

import contextlib
import math
import os
import select
import threading
import time
from concurrent.futures import Future
from pathlib import Path

from dist_bp.processes import STOPPED, Known, alive, known, mentioning, name_of, state_of

LOOK_SECONDS = 0.25
STOPPED_LOOKS = 12
"""Looks in a row, so that one who stops and continues everything, such as a debugger, does not end the run."""

FIND_SECONDS = 15.0
"""After the raylet was found: a GCS that is not there by then runs on another machine."""
RECONNECT_SECONDS = 40.0
"""For a GCS that comes back: after 60 s Ray ends this process, which must save a checkpoint before."""
KEPT_ELSEWHERE = "--redis_address="
"""In the command line of a GCS that may come back: any other takes all it knew with it."""

OWN = {"raylet": "raylet", "gcs_server": "GCS"}


class RayWatch:
    """A thread that looks at the raylet and the GCS that work in a folder, as far as they run on this machine; of
    several raylets at the one with the socket `raylet`.

    `trouble` gets what is wrong with the first of them that ends, or stays stopped. A GCS that keeps what it knows in
    Redis may come back in time.
    """

    def __init__(self, folder: Path, raylet: Path | None = None) -> None:
        self.trouble: Future[str] = Future()
        self._folder = folder
        self._raylet = f"--raylet_socket_name={raylet}\0" if raylet else ""
        self._known: dict[str, Known] = {}
        self._gcs_may_return = False
        self._gcs_lost: tuple[float, int] | None = None
        """When it was missed first, and its process."""
        self._look_until = math.inf
        self._stopped: dict[str, int] = {}
        self._handles: dict[str, int] = {}
        self._lock = threading.Lock()
        self._ending = False
        self._closed = False
        threading.Thread(target=self._run, name="ray watch", daemon=True).start()

    def look(self) -> None:
        """Looks now whether one has ended."""
        with self._lock:
            self._judge()

    def let_end(self) -> None:
        """From now on the end of Ray's processes is no trouble; one that is stopped still keeps the others waiting."""
        with self._lock:
            self._ending = True

    def close(self) -> None:
        """From now on nothing is trouble."""
        with self._lock:
            self._closed = True

    def _run(self) -> None:
        while not self._closed and not self.trouble.done():
            with self._lock:
                self._find()
                self._count()
                self._judge()
            self._sleep()
        with self._lock:
            for handle in self._handles.values():
                os.close(handle)
            self._handles.clear()

    def _sleep(self) -> None:
        """Until the next look is due, or a process has ended."""
        poll = select.poll()
        for handle in list(self._handles.values()):  # whoever looks may forget one meanwhile
            poll.register(handle, select.POLLIN)
        poll.poll(LOOK_SECONDS * 1000)

    def _find(self) -> None:
        if self._ending or len(self._known) == len(OWN) or time.monotonic() > self._look_until:
            return
        for pid in mentioning(str(self._folder)):
            name = name_of(pid)
            if name == "raylet" and self._raylet and pid not in mentioning(self._raylet):
                continue
            if name in OWN and name not in self._known and (process := known([pid])):
                if name == "raylet":
                    self._look_until = time.monotonic() + FIND_SECONDS
                if name == "gcs_server":
                    self._gcs_lost = None
                    self._gcs_may_return = pid in mentioning(KEPT_ELSEWHERE)
                self._known[name] = process
                with contextlib.suppress(OSError):  # a system without them
                    self._handles[name] = os.pidfd_open(pid)

    def _count(self) -> None:
        for name, process in self._known.items():
            self._stopped[name] = self._stopped.get(name, 0) + 1 if state_of(process) in STOPPED else 0

    def _judge(self) -> None:
        if self._gcs_lost and time.monotonic() - self._gcs_lost[0] > RECONNECT_SECONDS:
            self._tell(f"Ray's GCS (process {self._gcs_lost[1]}) has crashed or was killed, and has not come back")
        for name, process in list(self._known.items()):
            (pid,) = process
            if self._ending and not alive(process):
                self._forget(name)
            elif name == "gcs_server" and self._gcs_may_return and not alive(process):
                self._gcs_lost = (time.monotonic(), pid)
                self._look_until = time.monotonic() + RECONNECT_SECONDS
                self._forget(name)
            elif not alive(process):
                self._tell(f"Ray's {OWN[name]} (process {pid}) has crashed or was killed")
            elif self._stopped.get(name, 0) >= STOPPED_LOOKS:
                self._tell(f"Ray's {OWN[name]} (process {pid}) has been stopped by a signal")

    def _forget(self, name: str) -> None:
        del self._known[name]
        if name in self._handles:
            os.close(self._handles.pop(name))

    def _tell(self, what: str) -> None:
        if not self._closed and not self.trouble.done():
            self.trouble.set_result(f"{what}: Ray has failed, not the job")
