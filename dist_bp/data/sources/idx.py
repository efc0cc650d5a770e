"""The IDX format of the MNIST family, compressed by gzip or not.

Big-endian throughout: two zero bytes, a byte for the type of the elements, a byte for the number of dimensions, the
dimensions as 32-bit integers, the elements in C order.
"""

import gzip
import math
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import numpy as np

from dist_bp.data.files import DigestCache, check_files, reading
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source, check_pair, dataset_of_arrays, open_files
from dist_bp.errors import DataError
from dist_bp.options import Doc, File
from dist_bp.types import Array

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"
GZIP_RATIO = 1032
"""More than this many times gzip cannot compress."""


@dataclass(frozen=True)
class IdxSource(Source):
    """Files in the IDX format of the MNIST family, compressed (.gz) or not.

    One of images (n, ...) and one of labels (n,), and two more if there is a test set of its own.
    """

    images: Annotated[File, Doc("File of the images.")]
    labels: Annotated[File, Doc("File of the labels.")]
    test_images: Annotated[File | None, Doc("File of the test set's images.")] = None
    test_labels: Annotated[File | None, Doc("File of the test set's labels, given together with test_images.")] = None

    def __post_init__(self) -> None:
        check_pair("test_labels", self.test_labels, "test_images", self.test_images)

    def open(self, cache: DigestCache) -> Opened:
        paths = (self.images, self.labels, self.test_images, self.test_labels)
        return open_files("idx", paths, {}, cache, self.load)

    def load(self) -> Dataset:
        test = None
        if self.test_images is not None and self.test_labels is not None:
            test = Samples(read_idx(self.test_images), read_labels(self.test_labels))
        return dataset_of_arrays(Samples(read_idx(self.images), read_labels(self.labels)), test, repr(self.images))


def read_labels(path: str) -> Array:
    """A one-dimensional IDX file; raises DataError."""
    labels = read_idx(path)
    if labels.ndim != 1:
        raise DataError(f"data file {path!r} does not hold labels: its shape is {labels.shape}, not (n,)")
    return labels


def read_idx(path: str) -> Array:
    """The array of an IDX file, mapped read-only unless it is compressed; raises DataError."""
    check_files(path)
    with reading(path, "IDX file"):
        with Path(path).open("rb") as file:
            compressed = file.read(2) == GZIP_MAGIC
        size = Path(path).stat().st_size
        if not compressed:
            with Path(path).open("rb") as file:
                dtype, shape = _read_header(file)
                _check_size(dtype.itemsize * math.prod(shape), size - file.tell())
                return np.memmap(path, dtype, "r", file.tell(), shape) if math.prod(shape) else np.empty(shape, dtype)
        try:
            with gzip.open(path) as stream:
                dtype, shape = _read_header(stream)
                wanted = dtype.itemsize * math.prod(shape)
                _check_size(wanted, min(wanted, size * GZIP_RATIO))
                content = stream.read(wanted)
                _check_size(wanted, len(content) + len(stream.read(1)))
        except zlib.error as error:
            raise ValueError(error) from error
        return np.frombuffer(content, dtype).reshape(shape)


def _read_header(file: Any) -> tuple[np.dtype[Any], tuple[int, ...]]:
    start = _exactly(file, 4)
    if start[:2] != b"\0\0" or start[2] not in TYPES or start[3] == 0:
        raise ValueError(f"wrong magic number 0x{start.hex()}")
    shape = struct.unpack(f">{start[3]}I", _exactly(file, 4 * start[3]))
    return np.dtype(TYPES[start[2]]), shape


def _exactly(file: BinaryIO, size: int) -> bytes:
    content = file.read(size)
    if len(content) < size:
        raise ValueError("it is truncated")
    return content


def _check_size(wanted: int, there: int) -> None:
    if there < wanted:
        raise ValueError(f"it is truncated: its header announces {wanted} bytes, there are {there}")
    if there > wanted:
        raise ValueError(f"it goes on after the {wanted} bytes that its header announces")
