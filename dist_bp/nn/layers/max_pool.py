"""The largest value of each window."""

from collections.abc import Sequence

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layers.pooling import Give, Pooling
from dist_bp.nn.layers.windows import Windows
from dist_bp.types import Array


class MaxPool(Pooling):
    """The largest value of each window, channel by channel; of equal ones the first gets the gradient."""

    outside = -np.inf

    def _without_margins(self, y: Array, lengths: Array, ctx: Context) -> None:
        for sequence, number in zip(y, self._margins.windows(lengths).tolist(), strict=True):
            sequence[number:] = 0

    def _pool(self, elements: Sequence[Array], windows: Windows, y: Array, ctx: Context) -> None:
        np.maximum(elements[0], elements[-1], out=y)
        for element in elements[1:-1]:
            np.maximum(y, element, out=y)

    def _spread(
        self, dy: Array, y: Array, elements: Sequence[Array], give: Give, windows: Windows, ctx: Context
    ) -> None:
        own = ctx.buffer("own", y.shape)
        for number, element in enumerate(elements[:-1]):
            np.equal(element, y, out=own)
            np.multiply(own, dy, out=own)
            np.subtract(dy, own, out=dy)  # what is left for the next that is as large
            give(number, own)
        give(len(elements) - 1, dy)
