"""The mean of each window."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layers.pooling import Pooling
from dist_bp.nn.layers.windows import Windows
from dist_bp.types import Array


class AveragePool(Pooling):
    """The mean of each window, channel by channel; what lies outside of the sample does not count."""

    outside = 0.0

    def _pool(
        self, elements: Sequence[Array], windows: Windows, y: Array, ctx: Context
    ) -> Callable[[Array, Sequence[Array]], None]:
        parts = ctx.buffer("parts", (*windows.count, 1), fill=partial(_parts, windows))
        np.copyto(y, elements[0])
        for element in elements[1:]:
            np.add(y, element, out=y)
        np.multiply(y, parts, out=y)

        def back(dy: Array, d_elements: Sequence[Array]) -> None:
            np.multiply(dy, parts, out=dy)
            for place in d_elements:
                np.add(place, dy, out=place)

        return back


def _parts(windows: Windows, out: Array) -> None:
    """1 / the number of elements of each window that lie in the image."""
    padded = np.zeros((1, *windows.padded, 1))
    padded[:, *windows.inner] = 1
    out[:] = 1 / sum(windows.elements(padded, *at, 0, windows.count[0])[0] for at in windows.places)
