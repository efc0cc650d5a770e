"""Positions as rotations of queries and keys: what two of them make together depends on their distance alone."""

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layers.windows import whole
from dist_bp.types import Array

BASE = 10_000.0
ROWS = 128
"""The angles are made for multiples of so many positions."""


def rotate(vectors: Array, first: int, ctx: Context, back: bool = False) -> None:
    """Turns the pairs (i, i + size / 2) of `vectors` (..., positions, size) in place, the one at position p by
    p / BASE^(2 i / size); `back`: by as much the other way. The positions count from `first`.

    Su et al. 2021 (RoFormer), eq. 34.
    """
    positions, size = vectors.shape[-2:]
    rows = -(-(first + positions) // ROWS) * ROWS
    cosines = ctx.buffer("cosines", (rows, size), fill=_cosines)[first : first + positions]
    sines = ctx.buffer("sines_back" if back else "sines", (rows, size), fill=_sines_back if back else _sines)
    turned = ctx.scratch("turned", vectors.shape)
    halves = (*vectors.shape[:-1], 2, size // 2)
    np.copyto(whole(turned.reshape(halves)), whole(vectors.reshape(halves))[..., ::-1])
    np.multiply(turned, sines[first : first + positions], out=turned)
    np.multiply(vectors, cosines, out=vectors)
    np.add(vectors, turned, out=vectors)


def _angles(out: Array) -> Array:
    positions, size = out.shape
    steps = BASE ** (-np.arange(0, size, 2) / size)
    angles: Array = np.arange(positions)[:, np.newaxis] * np.tile(steps, 2)
    return angles


def _cosines(out: Array) -> None:
    out[:] = np.cos(_angles(out))


def _sines(out: Array) -> None:
    out[:] = np.sin(_angles(out))
    out[:, : out.shape[1] // 2] *= -1.0


def _sines_back(out: Array) -> None:
    _sines(out)
    np.negative(out, out=out)
