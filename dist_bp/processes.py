"""The processes of this machine, as /proc shows them, and how much they keep it busy.

It imports nothing beyond the standard library: the warden, which uses it, must start in milliseconds.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

LARGEST_PATIENCE = 5.0

Known = dict[int, str]
"""Processes by id, with their start time: an id alone is given again once its process has ended."""

STOPPED = ("T", "t")
"""States of proc(5): by a signal, or by whoever traces it."""


def patience(seconds: float) -> float:
    """How long to wait for what takes longer where the processors have more to do than there are of them."""
    return seconds * min(max(os.getloadavg()[0] / len(os.sched_getaffinity(0)), 1.0), LARGEST_PATIENCE)


def known(pids: Iterable[int]) -> Known:
    """Those of the processes that are alive."""
    return {pid: started for pid in pids if (started := start_time(pid))}


def alive(processes: Known) -> set[int]:
    """Ids of those that have not ended."""
    return {pid for pid, started in processes.items() if start_time(pid) == started}


def start_time(pid: int) -> str | None:
    """When a process started, in clock ticks since boot; None where there is no such process, or only its remains."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else fields[19]


def state_of(process: Known) -> str | None:
    """The letter of proc(5) for what a process does, such as T: stopped; None where it has ended."""
    ((pid, started),) = process.items()
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" or fields[19] != started else fields[0]


def name_of(pid: int) -> str | None:
    """The name of a process's program, or what it calls itself, in its first 15 characters."""
    try:
        return _read(pid, "comm").decode().rstrip("\n")
    except OSError:
        return None


def descendants(*roots: int) -> set[int]:
    """Ids of the processes below `roots`."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        if fields := _stat(pid):
            children.setdefault(int(fields[1]), []).append(pid)
    found: set[int] = set()
    queue = [*roots]
    while queue:
        new = [pid for pid in children.get(queue.pop(), []) if pid not in found]
        found.update(new)
        queue += new
    return found


def mentioning(text: str, where: Literal["cmdline", "environ"] = "cmdline") -> set[int]:
    """Ids of the processes whose command line, or environment, holds `text`."""
    wanted, found = text.encode(), set()
    for pid in _pids():
        with contextlib.suppress(OSError):
            if wanted in _read(pid, where):
                found.add(pid)
    return found


def logging_to(folder: Path) -> set[int]:
    """Ids of the processes whose standard output goes to a file in a folder or below it."""
    found = set()
    for pid in _pids():
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/fd/1").startswith(f"{folder}/"):
                found.add(pid)
    return found


def working_in(folder: Path, title: str) -> set[int]:
    """Ids of the processes with a name that begins with `title` that work in a folder or below it."""
    found = set()
    for pid in _pids():
        with contextlib.suppress(OSError):
            named = _read(pid, "comm").decode(errors="replace").startswith(title)
            if named and Path(os.readlink(f"/proc/{pid}/cwd")).is_relative_to(folder):
                found.add(pid)
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def _read(pid: int, what: str) -> bytes:
    """A file of a process, in bytes and without a `Path`: there are hundreds of them at each look."""
    with open(f"/proc/{pid}/{what}", "rb", buffering=0) as file:
        return file.readall()


def _stat(pid: int) -> list[str] | None:
    """Fields 3 (state), 4 (parent), ... of proc(5)'s stat; the command before them may hold spaces and brackets."""
    try:
        return _read(pid, "stat").rpartition(b")")[2].decode().split()
    except OSError:
        return None
