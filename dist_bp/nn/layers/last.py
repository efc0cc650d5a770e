"""The last position of a sequence."""

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layers.over_time import OverTime
from dist_bp.types import Array


class Last(OverTime):
    """The last position of each sequence: (n, positions, channels) -> (n, channels); zeros where there is none."""

    def _read(self, x: Array, lengths: Array, y: Array, ctx: Context) -> None:
        y.fill(0)
        there = np.flatnonzero(lengths)
        y[there] = x[there, lengths[there] - 1]

    def _back(self, dy: Array, x: Array, lengths: Array, y: Array, dx: Array, ctx: Context) -> None:
        dx.fill(0)
        there = np.flatnonzero(lengths)
        dx[there, lengths[there] - 1] = dy[there]
