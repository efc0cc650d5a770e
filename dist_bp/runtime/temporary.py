"""The temporary folder: where a Ray of this machine keeps its sockets and logs, and libraries their files."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from dist_bp.errors import CapacityError

LONGEST_PATH = 107
"""Bytes of a socket's path (unix(7))."""
BELOW = "/dist_bp-12345678/ray/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store"
"""The longest that we and Ray put below the folder."""
LONGEST = LONGEST_PATH - len(BELOW)
ELSEWHERE = ("/tmp", "/var/tmp", "/dev/shm")
BYTES = 64 * 2**20

_before: str | None = None
"""The temporary folder, while there are others in its place: those of the runs of this process, the newest last."""
_instead: list[str] = []
_lock = Lock()


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """What Python's `tempfile` makes in this process meanwhile lies in a folder; runs may overlap."""
    global _before
    with _lock:
        _before = _before or tempfile.gettempdir()
        _instead.append(str(folder))
        tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        with _lock:
            _instead.remove(str(folder))
            tempfile.tempdir = _instead[-1] if _instead else _before
            _before = _before if _instead else None


def configured() -> str:
    """The temporary folder, TMPDIR or the usual one."""
    return _before or tempfile.gettempdir()


def temporary_folder() -> Path:
    """The temporary folder (TMPDIR), or another that can be written where that one's path is too long.

    Raises CapacityError where there is none.
    """
    wanted = configured()
    for folder in (wanted, *ELSEWHERE):
        if len(os.fsencode(folder)) <= LONGEST and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    raise CapacityError(f"{wanted} is too long for the path of Ray's sockets: {_remedy()}")


def check_temporary_folder() -> list[str]:
    """What people should know of the folder. Raises CapacityError where it has no room, or there is none."""
    wanted, folder = configured(), temporary_folder()
    free = shutil.disk_usage(folder).free
    if free < BYTES:
        raise CapacityError(
            f"{folder} has {free / 2**20:.0f} MiB free, Ray needs {BYTES / 2**20:.0f} MiB there: "
            "free space, or set TMPDIR to another folder"
        )
    if str(folder) == wanted:
        return []
    return [f"Ray works in {folder}, because {wanted} is too long for the path of a socket: {_remedy()}"]


def _remedy() -> str:
    return f"set TMPDIR to a folder of at most {LONGEST} letters"
