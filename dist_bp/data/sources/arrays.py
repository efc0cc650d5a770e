"""NumPy's files: .npy, mapped into memory and so of any size, and .npz."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np

from dist_bp.data.files import check_files, reading
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name
from dist_bp.types import Array


def read_npy(path: str) -> Array:
    """The array of a .npy file, mapped read-only; raises DataError."""
    check_files(path)
    with reading(path, ".npy file of numbers"):
        _refuse_other(path, b"\x93NUMPY")
        return cast(Array, np.load(path, mmap_mode="r", allow_pickle=False))


def read_npz(path: str, *names: str) -> list[Array]:
    """The named arrays of a .npz file; raises DataError."""
    check_files(path)
    with reading(path, ".npz file of numbers"), _open_npz(path) as archive:
        absent = [name for name in names if name not in archive.files]
        if absent:
            raise DataError([f"data file {path!r} has no array {unknown_name(name, archive.files)}" for name in absent])
        return [archive[name] for name in names]


def names_in_npz(path: str) -> list[str]:
    """The names of the arrays in a .npz file; raises DataError."""
    check_files(path)
    with reading(path, ".npz file of numbers"), _open_npz(path) as archive:
        return list(archive.files)


@contextmanager
def _open_npz(path: str) -> Iterator[Any]:
    _refuse_other(path, b"PK")
    # NumPy leaves a file open that it has opened itself and that turns out to be damaged.
    with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
        yield archive


def _refuse_other(path: str, magic: bytes) -> None:
    with Path(path).open("rb") as file:
        start = file.read(len(magic))
    if start != magic:
        raise DataError(
            f"data file {path!r} is not a {Path(path).suffix} file: "
            + ("it is empty" if not start else "it starts differently")
        )
