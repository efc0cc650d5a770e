"""The mean of each window."""

from collections.abc import Sequence
from functools import partial

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layers.pooling import Give, Pooling
from dist_bp.nn.layers.windows import Windows
from dist_bp.types import Array


class AveragePool(Pooling):
    """The mean of each window, channel by channel; what lies outside of the sample does not count."""

    outside = 0.0

    def _without_margins(self, y: Array, lengths: Array, ctx: Context) -> Array:
        """The sum of a window by the number of its positions that lie in the sequence."""
        margins, factor = self._margins, ctx.buffer("factor", (*y.shape[:2], 1))
        starts = np.arange(y.shape[1]) * margins.stride - margins.before(lengths)[:, np.newaxis]
        inside = np.minimum(starts + margins.reach, lengths[:, np.newaxis]) - np.maximum(starts, 0)
        np.divide(margins.reach, np.maximum(inside, 1), out=factor[..., 0], casting="same_kind")
        np.multiply(y, factor, out=y)
        return factor

    def _pool(self, elements: Sequence[Array], windows: Windows, y: Array, ctx: Context) -> None:
        np.copyto(y, elements[0])
        for element in elements[1:]:
            np.add(y, element, out=y)
        np.multiply(y, self._parts(windows, ctx), out=y)

    def _spread(
        self, dy: Array, y: Array, elements: Sequence[Array], give: Give, windows: Windows, ctx: Context
    ) -> None:
        np.multiply(dy, self._parts(windows, ctx), out=dy)
        for number in range(len(elements)):
            give(number, dy)

    def _parts(self, windows: Windows, ctx: Context) -> Array:
        return ctx.buffer("parts", (*windows.count, 1), fill=partial(_parts, windows))


def _parts(windows: Windows, out: Array) -> None:
    """1 / the number of elements of each window that lie in the image."""
    padded = np.zeros((1, *windows.padded, 1))
    padded[:, *windows.inner] = 1
    out[:] = 1 / sum(windows.elements(padded, *at, 0, windows.count[0])[0] for at in windows.places)
