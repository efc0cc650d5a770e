"""Fewer bytes between nodes: codecs for vectors of floats, and the memory that makes up for what they lose.

The same vector always gives the same bytes. A vector in which something is not finite has something that is not
finite after decoding too, so that a step gone wrong is noticed.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from dist_bp.types import Array

Bytes = npt.NDArray[np.uint8]
CodecName = Literal["none", "fp16", "int8", "top_k"]

BLOCK = 1024
"""Elements that share one scale in Int8."""
_BLOCKS_AT_ONCE = 32
_LEVELS = 127
_LARGEST_HALF = 65504
_SIGN_AND_INFINITY, _INFINITY = 0x7FFF, 0x7C00


class Codec(Protocol):
    """Turns vectors of n floats into exactly `nbytes(n)` bytes and back, with a loss; keeps nothing between calls."""

    def nbytes(self, n: int) -> int: ...

    def encode(self, array: Array, data: Bytes) -> None:
        """Writes what stands for `array` (n,) to `data` (nbytes(n),)."""

    def decode(self, data: Bytes | memoryview, out: Array) -> None:
        """Writes the vector that `data` (nbytes(n),) stands for to `out` (n,)."""


@dataclass(frozen=True)
class Half:
    """IEEE 754 half precision: 2 bytes an element, relative error at most 2^-11 (absolute 2^-25 near zero).

    Finite numbers beyond the largest half become it, 65504, with their sign.
    """

    def nbytes(self, n: int) -> int:
        return 2 * n

    def encode(self, array: Array, data: Bytes) -> None:
        halves = data.view(np.float16)
        with np.errstate(over="ignore"):
            np.copyto(halves, array, casting="same_kind")
        infinite = (halves.view(np.uint16) & _SIGN_AND_INFINITY) == _INFINITY
        if infinite.any():
            overflown = infinite & np.isfinite(array)
            halves[overflown] = np.copysign(_LARGEST_HALF, array[overflown])

    def decode(self, data: Bytes | memoryview, out: Array) -> None:
        np.copyto(out, np.frombuffer(data, np.float16))


@dataclass(frozen=True)
class Int8:
    """Whole multiples, -127 ... 127, of a float32 scale that a block of BLOCK elements shares: its largest / 127.

    Rounded to nearest, ties to even: the error is at most half a scale. A block with anything that is not finite
    becomes NaN as a whole. First all scales, then all multiples: 1 byte an element and 4 a block.
    """

    def nbytes(self, n: int) -> int:
        return n + 4 * _block_count(n)

    def encode(self, array: Array, data: Bytes) -> None:
        scales, multiples = self._split(data, len(array))
        for first, blocks, whole in _blocks(array, multiples):
            with np.errstate(over="ignore", invalid="ignore"):
                values = blocks.astype(np.float32)
                scale = np.abs(values).max(axis=1, keepdims=True) / np.float32(_LEVELS)
            broken = ~np.isfinite(scale)
            scale[broken] = np.nan
            values[broken[:, 0]] = 0
            values /= np.where(scale > 0, scale, np.float32(1))
            np.clip(np.rint(values, out=values), -_LEVELS, _LEVELS, out=values)
            np.copyto(whole, values, casting="unsafe")
            scales[first : first + len(blocks)] = scale[:, 0]

    def decode(self, data: Bytes | memoryview, out: Array) -> None:
        scales, multiples = self._split(np.frombuffer(data, np.uint8), len(out))
        for first, blocks, whole in _blocks(out, multiples):
            np.multiply(whole, scales[first : first + len(blocks), None], out=blocks, casting="same_kind")

    def _split(self, data: Bytes, n: int) -> tuple[Array, Array]:
        end = 4 * _block_count(n)
        return data[:end].view(np.float32), data[end:].view(np.int8)


@dataclass(frozen=True)
class TopK:
    """The `fraction` (0 < fraction <= 1) of the elements with the largest magnitude as float32, zero for the others.

    8 bytes for each element that is sent: all indices (int32, ascending), then all values. NaN counts as largest.
    """

    fraction: float

    def nbytes(self, n: int) -> int:
        return 8 * self.count(n)

    def count(self, n: int) -> int:
        """How many of n elements are sent."""
        return min(math.ceil(self.fraction * n), n)

    def encode(self, array: Array, data: Bytes) -> None:
        count = self.count(len(array))
        rest = len(array) - count
        chosen = np.arange(count) if rest == 0 else np.sort(np.argpartition(np.abs(array), rest)[rest:])
        data[: 4 * count].view(np.int32)[:] = chosen
        with np.errstate(over="ignore"):
            data[4 * count :].view(np.float32)[:] = array[chosen]

    def decode(self, data: Bytes | memoryview, out: Array) -> None:
        count = self.count(len(out))
        out.fill(0)
        out[np.frombuffer(data, np.int32, count)] = np.frombuffer(data, np.float32, count, 4 * count)


class ErrorFeedback:
    """Adds what a codec lost of earlier vectors to the next one, so that it arrives late instead of never.

    With residual r, a vector x is sent as C(x + r), and r becomes x + r - D(C(x + r)): Seide et al. 2014 (1-bit SGD);
    that this keeps SGD's rate of convergence: Karimireddy et al. 2019 (error feedback fixes SignSGD). The sum of all
    that was decoded is the sum of all vectors less the last residual. `n` is the length of the vectors.
    """

    def __init__(self, codec: Codec, n: int) -> None:
        self._codec = codec
        self._decoded = np.empty(n, np.float32)
        self._data = np.empty(codec.nbytes(n), np.uint8)

    def encode(self, array: Array, before: Array, after: Array) -> Bytes:
        """The bytes that stand for `array` (n,), valid until the next call; `before` (n,) is the residual so far, and
        `after` becomes the next one."""
        with np.errstate(over="ignore", invalid="ignore"):
            np.add(before, array, out=after, casting="same_kind")
            self._codec.encode(after, self._data)
            self._codec.decode(self._data, self._decoded)
            np.subtract(after, self._decoded, out=after)
        return self._data


def make_codec(name: CodecName, fraction: float = 0.01) -> Codec | None:
    """The codec of that name, None for `none`; `fraction` is that of top_k."""
    codecs: dict[CodecName, Codec] = {"fp16": Half(), "int8": Int8(), "top_k": TopK(fraction)}
    return codecs.get(name)


def _block_count(n: int) -> int:
    return -(-n // BLOCK)


def _blocks(vector: Array, multiples: Array) -> Iterator[tuple[int, Array, Array]]:
    """Both vectors, in the same pieces of some blocks (blocks, elements), each with its first block's number."""
    step = _BLOCKS_AT_ONCE * BLOCK
    whole = len(vector) // BLOCK * BLOCK
    for start in range(0, whole, step):
        stop = min(start + step, whole)
        yield start // BLOCK, vector[start:stop].reshape(-1, BLOCK), multiples[start:stop].reshape(-1, BLOCK)
    if whole < len(vector):
        yield whole // BLOCK, vector[None, whole:], multiples[None, whole:]
