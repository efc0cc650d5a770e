"""Data files: looked for before anything is read, and known by the digest of their bytes."""

import contextlib
import hashlib
import json
import lzma
import os
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from dist_bp.data.arrays import KINDS, is_ragged, ragged_array
from dist_bp.errors import DataError
from dist_bp.files import open_file

SETTLED_SECONDS = 2.0
"""A file changed more recently than this could change again within one tick of its time stamp."""


def check_files(*paths: str | None) -> None:
    """Raises DataError with one line for each path that is not a readable file; None is passed over."""
    problems = []
    for path in paths:
        if path is None:
            continue
        if not os.path.exists(path):
            problems.append(f"data file {path!r} not found (looked in {Path.cwd()})")
        elif os.path.isdir(path):
            problems.append(f"data file {path!r} is not a file but a folder: name a file in it")
        elif not os.path.isfile(path):
            problems.append(f"data file {path!r} is not a file")
        elif not os.access(path, os.R_OK):
            problems.append(f"data file {path!r} cannot be read: permission denied")
    if problems:
        raise DataError(problems)


@contextlib.contextmanager
def reading(path: str, what: str) -> Iterator[None]:
    """Turns what a reader raises for an unreadable or damaged file into one DataError line."""
    try:
        yield
    except DataError:
        raise
    except (
        OSError,
        EOFError,
        ValueError,
        KeyError,
        MemoryError,
        RuntimeError,
        Warning,
        BadZipFile,
        zlib.error,
        lzma.LZMAError,
    ) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        if "allow_pickle" in reason:
            reason = "it holds Python objects: bring the rows to one shape and save them as numbers"
        raise DataError(f"data file {path!r} is not a readable {what}: {reason}") from error


class DigestCache:
    """SHA-256 of files, remembered in `directory` by path, size and times.

    Among them the one of the last change to the file or what the system knows of it, which nobody can set back: copies
    and archives give files old times of writing. Where it changes and the bytes do not they are read once more.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / "digests.json"

    def of_file(self, path: str) -> str:
        """Digest of the bytes, read as a stream unless it is known."""
        status = os.stat(path)
        key = f"{os.path.abspath(path)}|{_state(status)}"
        known = self._load()
        if key in known:
            return known[key]
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if _settled(_last(status)):
            self.remember(key, digest)
        return digest

    def of_tree(self, folder: str, paths: Iterable[str]) -> str:
        """Digest of the names within `folder` and the bytes of files, whatever their order; one that cannot be read
        counts as such.

        It is remembered as a whole: a line for each of many small files would take longer to read than the files.
        """
        paths, newest, stats = sorted(paths), 0, hashlib.sha256(_bytes(os.path.abspath(folder)))
        names = [os.path.relpath(path, folder) for path in paths]
        for name, path in zip(names, paths, strict=True):
            with contextlib.suppress(OSError):
                status = os.stat(path)
                newest = max(newest, _last(status))
                stats.update(_bytes(f"{name}|{_state(status)}\n"))
        key = f"tree {stats.hexdigest()}"
        if (known := self.get(key)) is not None:
            return known
        digests = [_digest_of_file(path) for path in paths]
        digest = digest_of([names, digests])
        if None not in digests and _settled(newest):
            self.remember(key, digest)
        return digest

    def get(self, key: str) -> str | None:
        return self._load().get(key)

    def remember(self, key: str, digest: str) -> None:
        """Losing this, to a full disk or another process, costs only the time to compute it again."""
        aside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            aside.write_text(json.dumps(self._load() | {key: digest}, indent=0))
            aside.replace(self._path)

    def _load(self) -> dict[str, str]:
        try:
            known = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def _state(status: os.stat_result) -> str:
    return f"{status.st_size}|{status.st_mtime_ns}|{status.st_ctime_ns}|{status.st_ino}"


def _last(status: os.stat_result) -> int:
    """When the file was last changed, in nanoseconds."""
    return max(status.st_mtime_ns, status.st_ctime_ns)


def _settled(changed: int) -> bool:
    return time.time_ns() - changed > SETTLED_SECONDS * 1e9


def _digest_of_file(path: str) -> str | None:
    """None where it cannot be read."""
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def digest_of(value: Any) -> str:
    """SHA-256 of a JSON-able value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def digest_of_arrays(arrays: Iterable[Any]) -> str:
    """SHA-256 over dtype, shape and elements of arrays, DataFrames, ragged or named arrays and None, block by block."""
    sha = hashlib.sha256()
    for array in _flat(arrays):
        if hasattr(array, "to_numpy"):
            sha.update(repr(list(getattr(array, "columns", ()))).encode())
            array = array.to_numpy()
        array = np.asarray(array)
        if array.dtype.kind == "O":
            array = np.array([f"{type(value).__name__} {value}" for value in array.flat]).reshape(array.shape)
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        rows = array if array.ndim else array[None]
        at_a_time = max(1, 2**24 // max(1, rows[:1].nbytes))
        for start in range(0, len(rows), at_a_time):
            sha.update(np.ascontiguousarray(rows[start : start + at_a_time]).data.cast("B"))
    return sha.hexdigest()


def _flat(arrays: Iterable[Any]) -> Iterator[Any]:
    for array in arrays:
        if isinstance(array, Mapping):
            yield from _flat(part for name in array for part in (np.array(name), array[name]))
        elif is_ragged(array):
            ragged = ragged_array(array, "the data", KINDS)
            yield from (ragged.values, ragged.offsets)
        else:
            yield array
