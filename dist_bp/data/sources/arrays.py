"""NumPy's files: .npy, mapped into memory and so of any size, and .npz."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from dist_bp.data.files import DigestCache, check_files, reading
from dist_bp.data.sources.base import Dataset, Opened, Source, dataset_of_arrays, open_files
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name
from dist_bp.types import Array


@dataclass(frozen=True)
class NpySource(Source):
    """Two .npy files, one row a sample, and two more if there is a test set of its own."""

    inputs: str
    targets: str
    test_inputs: str | None = None
    test_targets: str | None = None
    task = None

    def open(self, cache: DigestCache) -> Opened:
        paths = (self.inputs, self.targets, self.test_inputs, self.test_targets)
        return open_files("npy", paths, {}, cache, self.load)

    def load(self) -> Dataset:
        test = None
        if self.test_inputs is not None and self.test_targets is not None:
            test = read_npy(self.test_inputs), read_npy(self.test_targets)
        return dataset_of_arrays((read_npy(self.inputs), read_npy(self.targets)), test, repr(self.inputs))


@dataclass(frozen=True)
class NpzSource(Source):
    """Two arrays of a .npz file, named `inputs` and `targets`; the test set is another file of that form."""

    path: str
    inputs: str = "x"
    targets: str = "y"
    test_path: str | None = None
    task = None

    def open(self, cache: DigestCache) -> Opened:
        names = {"inputs": self.inputs, "targets": self.targets}
        return open_files("npz", (self.path, self.test_path), names, cache, self.load)

    def load(self) -> Dataset:
        pairs = [read_npz(path, self.inputs, self.targets) for path in (self.path, self.test_path) if path is not None]
        return dataset_of_arrays(pairs[0], pairs[1] if len(pairs) > 1 else None, repr(self.path))


def read_npy(path: str) -> Array:
    """The array of a .npy file, mapped read-only; raises DataError."""
    check_files(path)
    with reading(path, ".npy file of numbers"):
        _refuse_other(path, b"\x93NUMPY")
        return cast(Array, np.load(path, mmap_mode="r", allow_pickle=False))


def read_npz(path: str, *names: str) -> list[Array]:
    """The named arrays of a .npz file; raises DataError."""
    check_files(path)
    with reading(path, ".npz file of numbers"):
        _refuse_other(path, b"PK")
        with _open_npz(path) as archive:
            absent = [name for name in names if name not in archive.files]
            if absent:
                raise DataError(
                    [f"data file {path!r} has no array {unknown_name(name, archive.files)}" for name in absent]
                )
            return [archive[name] for name in names]


def names_in_npz(path: str) -> list[str]:
    """The names of the arrays in a .npz file; raises DataError."""
    check_files(path)
    with reading(path, ".npz file of numbers"), _open_npz(path) as archive:
        return list(archive.files)


@contextmanager
def _open_npz(path: str) -> Iterator[Any]:
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
