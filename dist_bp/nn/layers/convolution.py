"""How the windows of an image are multiplied: the ways to do it, and which one is taken."""

from collections.abc import Callable
from typing import Protocol

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layers.im2col import Im2col
from dist_bp.nn.layers.mec import Mec
from dist_bp.nn.layers.windows import Windows
from dist_bp.nn.layers.winograd import Winograd
from dist_bp.types import Array

LEAST_CHANNELS = 32
"""From so many channels and filters on, Winograd's products save more than its additions cost."""


class Convolution(Protocol):
    """y[n, r, c, f] = sum over the window at (r, c) of x * weight[..., f], some images at a time."""

    def forward(self, x: Array, weight: Array, y: Array, ctx: Context, finish: Callable[[slice], None]) -> None:
        """Fills `y` (n, rows, columns, filters). `finish` is called for each slice of images once it is there."""

    def backward(
        self,
        x: Array,
        weight: Array,
        dy: Array,
        grads: Gradients,
        dx: Array | None,
        ctx: Context,
        prepare: Callable[[slice], None],
    ) -> None:
        """Writes the weight's gradient, and fills `dx` where it is wanted. `prepare` is called for each slice of images
        before its `dy` is used."""


def convolution(windows: Windows, channels: int, filters: int, groups: int) -> Convolution:
    """A pure function of the layer's shapes: whoever computes a sample, and with however many others, does it the same
    way. Results are equal up to rounding, as products of another size may be summed in another order."""
    if groups == 1 and channels > 1 and Mec.takes(windows):
        many = min(channels, filters) >= LEAST_CHANNELS
        return (Winograd if many and windows.size == (3, 3) else Mec)(windows, channels, filters)
    return Im2col(windows, channels, filters, groups)
