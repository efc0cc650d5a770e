"""The mean over the positions of a sequence."""

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layers.over_time import OverTime
from dist_bp.types import Array


class MeanOverTime(OverTime):
    """The mean of each channel over the positions of a sequence: (n, positions, channels) -> (n, channels).

    Zeros of a sequence without positions.
    """

    def _read(self, x: Array, lengths: Array, y: Array, ctx: Context) -> None:
        parts = ctx.buffer("parts", x.shape[:2])
        np.less(np.arange(x.shape[1]), lengths[:, np.newaxis], out=parts)
        np.divide(parts, np.maximum(lengths, 1)[:, np.newaxis], out=parts, casting="same_kind")
        np.matmul(parts[:, np.newaxis], x, out=y[:, np.newaxis])

    def _back(self, dy: Array, x: Array, lengths: Array, y: Array, dx: Array, ctx: Context) -> None:
        parts = ctx.buffer("parts", x.shape[:2])
        np.multiply(parts[..., np.newaxis], dy[:, np.newaxis], out=dx)
