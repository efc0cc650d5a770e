"""A bounded file of points that wait for the store."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

from dist_bp.files import fsync_directory, open_file


class Point(NamedTuple):
    """One value of one metric. `timestamp` is in milliseconds since 1970."""

    name: str
    value: float
    timestamp: int
    step: int


class Spool:
    """A first-in, first-out queue of points in a JSON-lines file.

    The next process that opens the file goes on with what waits in it. Discarded points leave the file with the last
    one, by `compact`, or where they take the room of new ones: of a process that dies before, they are read again, so
    the store must keep equal points once, as MLflow does. A line torn by a crash is skipped. Not thread-safe.

    Args:
        path: the file; it and its folder are made when they are needed, and `compact` removes an empty file.
        max_bytes: the file does not grow beyond this.
    """

    def __init__(self, path: Path, max_bytes: int = 64 * 2**20) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._start = 0
        self._count = sum(1 for _ in self)
        self._entry_is_durable = False

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Point]:
        return (point for point, _ in self._read())

    def append(self, points: Sequence[Point]) -> int:
        """Add points at the end; returns how many did not find room."""
        lines = _lines(points)
        try:
            if self._start > self._max_bytes // 2 and self._size + sum(map(len, lines)) > self._max_bytes:
                self._replace([])
            size = self._size
            fitting = lines[: sum(end <= self._max_bytes - size for end in accumulate(map(len, lines)))]
            if fitting:
                self._write_at(size, fitting)
        except OSError:
            return len(points)
        self._count += len(fitting)
        return len(points) - len(fitting)

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
            with suppress(FileNotFoundError):
                os.truncate(self.path, 0)  # not removed: a new file would have to be made durable once more
            self._start = 0

    def prepend(self, points: Sequence[Point]) -> int:
        """Add points that are older than all others; returns how many found no room: none or all of them."""
        lines = _lines(points)
        try:
            if self._size - self._start + sum(map(len, lines)) > self._max_bytes:
                return len(points)
            if self._count:
                self._replace(lines)
            else:
                self._write_at(self._size, lines)
        except OSError:
            return len(points)
        self._count += len(lines)
        return 0

    def sync(self) -> None:
        """Make what waits survive a loss of power: one fsync, and another where the file is new. Raises OSError."""
        if self._count == 0:
            return
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        if not self._entry_is_durable:
            fsync_directory(self.path.parent)
            self._entry_is_durable = True

    def compact(self) -> None:
        """Drop the discarded points from the file, remove an empty one, and make the rest durable; raises OSError."""
        if self._count == 0:
            self.path.unlink(missing_ok=True)
            self._start, self._entry_is_durable = 0, False
        elif self._start > 0:
            self._replace([])
        self.sync()

    @property
    def _size(self) -> int:
        """Bytes of the file, discarded points included; 0 where there is none."""
        return self.path.stat().st_size if self.path.exists() else 0

    def _replace(self, lines: Iterable[bytes]) -> None:
        """Put a new file with these lines and those that wait in the place of the old one; raises OSError."""
        aside = self.path.with_name(self.path.name + ".new")
        with open_file(self.path) as old, aside.open("wb") as new:
            new.writelines(lines)
            old.seek(self._start)
            shutil.copyfileobj(old, new)
        aside.replace(self.path)
        self._start, self._entry_is_durable = 0, False

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


def _lines(points: Iterable[Point]) -> list[bytes]:
    return [json.dumps(point).encode() + b"\n" for point in points]


def _decode(line: bytes) -> Point | None:
    try:
        name, value, timestamp, step = json.loads(line)
        return Point(str(name), float(value), int(timestamp), int(step))
    except (ValueError, TypeError, OverflowError, RecursionError):
        return None
