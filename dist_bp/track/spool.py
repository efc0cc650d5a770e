"""A bounded file of points that wait for the store."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

from dist_bp.files import open_file


class Point(NamedTuple):
    """One value of one metric. `timestamp` is in milliseconds since 1970."""

    name: str
    value: float
    timestamp: int
    step: int


class Spool:
    """A first-in, first-out queue of points in a JSON-lines file.

    The file exists only while points wait in it, and the next process that opens it goes on with them.
    Discarded points leave the file with the last one, or by `compact`: of a process that dies before, they are
    read again, so the store must keep equal points once, as MLflow does. A line torn by a crash is skipped.
    Not thread-safe.

    Args:
        path: the file; its folder is created when it is needed.
        max_bytes: the file does not grow beyond this.
    """

    def __init__(self, path: Path, max_bytes: int = 64 * 2**20) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._start = 0
        self._count = sum(1 for _ in self)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Point]:
        return (point for point, _ in self._read())

    def append(self, points: Sequence[Point]) -> int:
        """Add points at the end; returns how many did not find room."""
        try:
            size = self.path.stat().st_size if self.path.exists() else 0
            lines = self._lines_that_fit(points, self._max_bytes - size)
            if lines:
                self._write_at(size, lines)
        except OSError:
            return len(points)
        self._count += len(lines)
        return len(points) - len(lines)

    def peek(self, limit: int) -> list[Point]:
        """The oldest points, at most `limit`; they stay until discarded."""
        points = [point for point, _ in islice(self._read(), limit)]
        if not points:
            self._start = self._count = 0  # another process has delivered them
        return points

    def discard(self, count: int) -> None:
        """Remove the `count` oldest points."""
        for _, end in islice(self._read(), count):
            self._start = end
            self._count -= 1
        if self._count == 0:
            self.path.unlink(missing_ok=True)
            self._start = 0

    def prepend(self, points: Sequence[Point]) -> int:
        """Add points that are older than all others; returns how many points found no room."""
        path = self.path.with_name(self.path.name + ".new")
        try:
            waiting = list(self)
            path.unlink(missing_ok=True)
            aside = Spool(path, self._max_bytes)
            refused = aside.append([*points, *waiting])
            if len(aside) < len(waiting):
                return len(points)
            path.replace(self.path)
        except OSError:
            return len(points)
        self._start, self._count = 0, len(aside)
        return refused

    def compact(self) -> None:
        """Drop the discarded points from the file and make it survive a loss of power."""
        if self._start > 0:
            self.prepend([])
        if self.path.exists():
            with self.path.open("rb") as file:
                os.fsync(file.fileno())

    @staticmethod
    def _lines_that_fit(points: Sequence[Point], room: int) -> list[bytes]:
        lines = [json.dumps(point).encode() + b"\n" for point in points]
        ends = accumulate(len(line) for line in lines)
        return lines[: sum(end <= room for end in ends)]

    def _write_at(self, size: int, lines: Iterable[bytes]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+") as file:
            try:
                file.seek(max(size - 1, 0))
                if file.read(1) not in (b"", b"\n"):
                    file.write(b"\n")
                file.writelines(lines)
                file.flush()
            except OSError:
                file.truncate(size)
                raise

    def _read(self) -> Iterator[tuple[Point, int]]:
        """Each waiting point with the offset of the line after it."""
        try:
            file = open_file(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return
        with file:
            end = self._start
            file.seek(end)
            for line in file:
                end += len(line)
                point = _decode(line)
                if point is not None:
                    yield point, end


def _decode(line: bytes) -> Point | None:
    try:
        name, value, timestamp, step = json.loads(line)
        return Point(str(name), float(value), int(timestamp), int(step))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
