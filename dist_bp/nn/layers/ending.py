"""What follows the products of a convolution, some images at a time, while they are in the cache."""

import numpy as np

from dist_bp.nn.activations import ActivationFunction
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.types import Views
from dist_bp.types import Array


class Ending:
    """Bias and activation of the outputs `y` (n, rows, columns, filters) of a layer, in place.

    The bias is added to whole rows of an image, which are longer than its own axis; its gradient is summed so, too.
    """

    def __init__(self, activation: ActivationFunction | None, y: Array, params: Views, ctx: Context) -> None:
        self._activation = activation
        self._y = y
        self._ctx = ctx
        self._row = (-1, y.shape[2] * y.shape[3])
        self._bias: Array | None = None
        if "bias" in params:
            self._bias = ctx.buffer("bias_row", y.shape[2:])
            np.copyto(self._bias, params["bias"])
        self._slope = None if activation is None else ctx.buffer("slope", y.shape)

    def forward(self, images: slice) -> None:
        y = self._y[images]
        if self._bias is not None:
            rows = y.reshape(self._row)
            np.add(rows, self._bias.reshape(-1), out=rows)
        if self._activation is not None and self._slope is not None:
            self._activation(y, y, self._slope[images], self._ctx.buffer("scratch", y.shape))

    def begin_backward(self) -> None:
        if self._bias is not None:
            self._ctx.buffer("d_bias_row", self._y.shape[2:]).fill(0)

    def backward(self, dy: Array, images: slice) -> None:
        """`dy` becomes the gradient of what was activated."""
        dy = dy[images]
        if self._slope is not None:
            np.multiply(dy, self._slope[images], out=dy)
        if self._bias is not None:
            total = self._ctx.buffer("d_bias_row", self._y.shape[2:]).reshape(-1)
            part = self._ctx.buffer("d_bias_part", total.shape)
            np.add.reduce(dy.reshape(self._row), axis=0, out=part)
            np.add(total, part, out=total)

    def end_backward(self, grads: Gradients) -> None:
        """Writes the gradient of the bias."""
        if self._bias is not None:
            np.add.reduce(self._ctx.buffer("d_bias_row", self._y.shape[2:]), axis=0, out=grads.into("bias"))
