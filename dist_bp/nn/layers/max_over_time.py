"""The largest value over the positions of a sequence."""

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layers.over_time import OverTime
from dist_bp.types import Array


class MaxOverTime(OverTime):
    """The largest value of each channel over the positions of a sequence: (n, positions, channels) -> (n, channels).

    Of equal ones the first gets the gradient (Collobert et al. 2011, section 3.3.2). Zeros of a sequence without
    positions.
    """

    def _read(self, x: Array, lengths: Array, y: Array, ctx: Context) -> None:
        y.fill(0)
        for sequence, length, out in zip(x, lengths.tolist(), y, strict=True):
            if length:
                np.maximum.reduce(sequence[:length], axis=0, out=out)

    def _back(self, dy: Array, x: Array, lengths: Array, y: Array, dx: Array, ctx: Context) -> None:
        np.multiply(dy, (lengths > 0)[:, np.newaxis], out=dy)
        for position in range(x.shape[1]):  # dy is what is left for the next that is as large
            own = dx[:, position]
            np.equal(x[:, position], y, out=own)
            np.multiply(own, dy, out=own)
            np.subtract(dy, own, out=dy)
