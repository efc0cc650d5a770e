"""The largest value of each window."""

from collections.abc import Callable, Sequence

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.layers.pooling import Pooling
from dist_bp.nn.layers.windows import Windows
from dist_bp.types import Array


class MaxPool(Pooling):
    """The largest value of each window, channel by channel; of equal ones the first gets the gradient."""

    outside = -np.inf

    def _pool(
        self, elements: Sequence[Array], windows: Windows, y: Array, ctx: Context
    ) -> Callable[[Array, Sequence[Array]], None]:
        np.copyto(y, elements[0])
        for element in elements[1:]:
            np.maximum(y, element, out=y)

        def back(dy: Array, d_elements: Sequence[Array]) -> None:
            own = ctx.buffer("own", y.shape)
            for element, place in zip(elements, d_elements, strict=True):
                np.equal(element, y, out=own)
                np.multiply(own, dy, out=own)
                np.subtract(dy, own, out=dy)  # what is left for the next that is as large
                np.add(place, own, out=place)

        return back
