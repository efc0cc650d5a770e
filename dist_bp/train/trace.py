"""A run as a Chrome trace: what each process did at each step, to be opened in Perfetto or chrome://tracing.

The file is in the JSON array format of the Trace Event Format; an event is written when its lease ends, so a run that
is broken off leaves a readable file, too.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from dist_bp.errors import ConfigError
from dist_bp.ps.lease import ServerReport, WorkerReport
from dist_bp.runtime.lease_report import LeaseReport

WORKER = ("computing", "pushing", "waiting")
SERVER = ("collecting", "updating", "publishing")
WORKERS, SERVERS = 1, 2


class TraceFile:
    """Collects finished leases into `path`; use it as a context manager. Raises ConfigError where it cannot write."""

    def __init__(self, path: Path) -> None:
        try:
            self._file = path.open("w")
        except OSError as error:
            raise ConfigError(
                f"--trace: cannot write {path} ({error.strerror}): name a file in a folder of yours"
            ) from error
        self._separator = "[\n"
        self._write(_named(WORKERS, "workers"))
        self._write(_named(SERVERS, "servers"))

    def add(self, first: int, report: LeaseReport) -> None:
        """Writes what a lease that began after step `first` consisted of. Raises OSError."""
        for worker in report.workers:
            self._write(_worker_events(worker))
        for server in report.servers:
            self._write(_server_events(server, server.index, first))
        self._file.flush()

    def close(self) -> None:
        with suppress(OSError), self._file:  # each lease was flushed; at the end the run matters more
            self._file.write("\n]\n")

    def __enter__(self) -> "TraceFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, events: Iterator[dict[str, Any]]) -> None:
        for event in events:
            self._file.write(self._separator + json.dumps(event))
            self._separator = ",\n"


def _named(process: int, name: str) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "name": "process_name", "pid": process, "args": {"name": name}}


def _worker_events(report: WorkerReport) -> Iterator[dict[str, Any]]:
    for step, moments in zip(report.steps.tolist(), report.times.tolist(), strict=True):
        yield from _spans(WORKERS, report.rank, WORKER, moments, report.clock, {"step": step + 1})


def _server_events(report: ServerReport, rank: int, first: int) -> Iterator[dict[str, Any]]:
    for index, moments in enumerate(report.times.tolist()):
        yield from _spans(SERVERS, rank, SERVER, moments, report.clock, {"lease": first, "update": index + 1})


def _spans(
    process: int, thread: int, names: Sequence[str], moments: Sequence[float], clock: float, about: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """Complete events between neighbouring moments; the format counts in microseconds, here since 1970."""
    for name, begun, ended in zip(names, moments, moments[1:], strict=False):
        yield {
            "ph": "X",
            "name": name,
            "pid": process,
            "tid": thread,
            "ts": round((begun + clock) * 1e6, 1),
            "dur": round((ended - begun) * 1e6, 1),
            "args": about,
        }
