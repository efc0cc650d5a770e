"""Where each named array lies in one flat vector."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from dist_bp.nn.types import Views
from dist_bp.types import Array, Shape

ALIGNMENT = 64


def aligned_zeros(size: int, dtype: npt.DTypeLike) -> Array:
    """A zero vector of `size` elements that starts on a 64-byte boundary."""
    kind = np.dtype(dtype)
    raw = np.zeros(size * kind.itemsize + ALIGNMENT, np.uint8)
    offset = -raw.ctypes.data % ALIGNMENT
    return raw[offset : offset + size * kind.itemsize].view(kind)


def part_name(name: str) -> str:
    """A name for one part of a name of `Layout`, which may hold anything: dots are written as %2E."""
    return name.replace("%", "%25").replace(".", "%2E")


class Entry(NamedTuple):
    """One named array: its first element in the vector and its shape."""

    name: str
    offset: int
    shape: Shape

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def stop(self) -> int:
        return self.offset + self.size


class Table(NamedTuple):
    """A named array of `rows` rows of `size` elements each, from element `start` of the vector, whose gradient comes by
    rows."""

    name: str
    start: int
    rows: int
    size: int

    @property
    def stop(self) -> int:
        return self.start + self.rows * self.size


def nested(named: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """What has dotted names, nested: "2.layers.0.weight" is ["2"]["layers"]["0"]["weight"]."""
    root: dict[str, Any] = {}
    for name, value in named:
        *parents, leaf = name.split(".")
        place = root
        for parent in parents:
            place = place.setdefault(parent, {})
        place[leaf] = value
    return root


class Layout:
    """Names to places in a flat vector of `size` elements, in declaration order and without padding.

    A dot in a name nests, see `nested`.
    """

    def __init__(self, shapes: Iterable[tuple[str, Shape]]) -> None:
        entries: list[Entry] = []
        offset = 0
        for name, shape in shapes:
            entries.append(Entry(name, offset, shape))
            offset = entries[-1].stop
        self.entries = tuple(entries)
        self.size = offset

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of each array by its full name."""
        return {entry.name: entry.shape for entry in self.entries}

    def views(self, vector: Array) -> Views:
        """The named arrays of `vector` (size,), sharing its memory. Raises ValueError for another size."""
        if vector.shape != (self.size,):
            raise ValueError(f"the layout describes a vector of {self.size} elements, got shape {vector.shape}")
        return nested(self.named(vector).items())

    def named(self, vector: Array) -> dict[str, Array]:
        """The arrays of `vector` (size,) by their full names, sharing its memory."""
        return {entry.name: vector[entry.offset : entry.stop].reshape(entry.shape) for entry in self.entries}

    def flat(self, arrays: Mapping[str, Array], dtype: npt.DTypeLike) -> Array:
        """A new vector (size,) of the named arrays. Raises KeyError where one is missing."""
        vector = aligned_zeros(self.size, dtype)
        for name, place in self.named(vector).items():
            np.copyto(place, arrays[name])
        return vector

    def slices(self, wanted: Callable[[str], bool]) -> tuple[tuple[int, int], ...]:
        """(start, stop) of the arrays whose name is wanted; adjacent ones are merged."""
        merged: list[tuple[int, int]] = []
        for entry in self.entries:
            if not wanted(entry.name):
                continue
            if merged and merged[-1][1] == entry.offset:
                merged[-1] = (merged[-1][0], entry.stop)
            else:
                merged.append((entry.offset, entry.stop))
        return tuple(merged)
