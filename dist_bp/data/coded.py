"""Bytes that a table turns into numbers when they are used: an image set is kept no larger than its pixels."""

from dataclasses import dataclass

import numpy as np

from dist_bp.types import Array

BLOCK = 2**14
"""Elements that are looked up at a time, so that what lies between bytes and numbers stays in the cache."""
MOST_CHANNELS = 16
"""A larger table would not stay there."""


@dataclass(frozen=True)
class Coded:
    """Samples of uint8 `codes` (n, ..., channels) and what each byte means: `table` (256,), or (256, channels)."""

    codes: Array
    table: Array

    def __len__(self) -> int:
        return len(self.codes)

    def decoded(self, start: int, stop: int) -> Array:
        """The numbers of the samples from `start` to `stop`."""
        codes = np.ascontiguousarray(self.codes[start:stop])
        out = np.empty(codes.shape, self.table.dtype)
        Lookup(self.table).into(codes, out)
        return out


class Lookup:
    """Looks bytes up with memory of its own: for one thread."""

    def __init__(self, table: Array) -> None:
        self._table = table.reshape(-1)
        self._channels = 1 if table.ndim == 1 else table.shape[1]
        self._block = BLOCK // self._channels * self._channels
        self._shift = np.tile(np.arange(self._channels), self._block // self._channels)
        self._places = np.empty(self._block, np.intp)

    def into(self, codes: Array, out: Array) -> None:
        """out[i] = table[codes[i]], of contiguous arrays of one shape."""
        flat, result = codes.reshape(-1), out.reshape(-1)
        for start in range(0, len(flat), self._block):
            part = flat[start : start + self._block]
            places = self._places[: len(part)]
            np.copyto(places, part)
            if self._channels > 1:
                np.multiply(places, self._channels, out=places)
                np.add(places, self._shift[: len(part)], out=places)
            np.take(self._table, places, out=result[start : start + len(part)], mode="clip")
