"""Convolution of images by windows next to each other; only the rows of each window are copied, one above the other.

Cho & Brand 2017 (MEC: Memory-efficient convolution for deep neural network, arXiv 1706.06873): where the pixels of a
column that a row of windows sees stand next to each other, a window is a stretch of memory. Stretches overlap, but
every `width`-th does not, `width` that of a window: together they are the rows of a matrix. Pixels are copied as often
as a window has rows.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layers.windows import Windows, whole, zeroed
from dist_bp.types import Array

BLOCK_BYTES = 2**20
"""Size of the copies of a block of images: they stay in the cache of one core until they are multiplied."""


class Mec:
    """y[n, r, c, f] = sum over the window at (r, c) of x * weight[..., f], at each place of the padded images.

    The gradient of x is made of that of y in the same way, with turned windows.
    """

    def __init__(self, windows: Windows, channels: int, filters: int) -> None:
        height, width = windows.size
        (top, left), (bottom, right) = windows.before, windows.after
        back = replace(
            windows,
            image=windows.count,
            before=(height - 1 - top, width - 1 - left),
            after=(height - 1 - bottom, width - 1 - right),
        )
        self._forth = Stretches("x", windows, channels, filters)
        self._back = Stretches("dy", back, filters, channels)

    @staticmethod
    def takes(windows: Windows) -> bool:
        """Whether they are next to each other, with several columns, and each has a pixel of the image."""
        adjacent = windows.stride == windows.dilation == (1, 1)
        margins = zip(windows.size, windows.before, windows.after, strict=True)
        return adjacent and windows.size[1] > 1 and all(max(low, high) < length for length, low, high in margins)

    def forward(self, x: Array, weight: Array, y: Array, ctx: Context, finish: Callable[[slice], None]) -> None:
        stretches = self._forth
        matrix = stretches.matrix(weight, ctx)
        for images in stretches.blocks(x):
            stretches.multiply(stretches.of(x[images], ctx), matrix, y[images], ctx)
            finish(images)

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
        d_weight = grads.into("weight")
        if dx is None:
            stretches, source, other = self._forth, x, dy
        else:
            stretches, source, other, weight, d_weight = self._back, dy, x, _turned(weight), _turned(d_weight)
        matrix = stretches.matrix(weight, ctx)
        d_matrix = ctx.buffer("d_matrix", matrix.shape)
        d_matrix.fill(0)
        for images in stretches.blocks(x):
            prepare(images)
            rows = stretches.of(source[images], ctx)
            stretches.add_products(rows, other[images], d_matrix, ctx)
            if dx is not None:
                stretches.multiply(rows, matrix, dx[images], ctx)
        np.copyto(d_weight.swapaxes(0, 1), d_matrix.reshape(d_weight.swapaxes(0, 1).shape))


class Stretches:
    """The windows of images of so many `channels`, as rows of matrices, from each of which `filters` numbers are made.

    The zeros that end a row of an image are those that begin the next one.
    """

    def __init__(self, name: str, windows: Windows, channels: int, filters: int) -> None:
        rows, columns = windows.count
        width = windows.size[1]
        self._name = name
        self._windows = windows
        self._channels = channels
        self._filters = filters
        self._columns = columns + width - 1 - min(windows.before[1], windows.after[1])
        self._places = -(-rows * self._columns // width)
        """Of windows in an image, `width` apart; some lie across the end of a row and count for nothing."""

    def blocks(self, images: Array) -> Iterator[slice]:
        height, width = self._windows.size
        image_bytes = self._places * width * height * self._channels * images.itemsize
        size = max(1, BLOCK_BYTES // image_bytes)
        for start in range(0, len(images), size):
            yield slice(start, min(start + size, len(images)))

    def matrix(self, weight: Array, ctx: Context) -> Array:
        """The weight (rows, columns, channels, filters) in the order of a stretch: column by column."""
        by_column = weight.swapaxes(0, 1)
        matrix = ctx.buffer("matrix", by_column.shape)
        np.copyto(matrix, by_column)
        return matrix.reshape(-1, self._filters)

    def of(self, images: Array, ctx: Context) -> Array:
        """(n, width, places, stretch)."""
        height, width = self._windows.size
        rows = self._windows.count[0]
        top, left = self._windows.before
        number = len(images)
        pixels = number * self._places * width
        copies = ctx.buffer(f"rows_{self._name}", (pixels + width - 1, height, self._channels), fill=zeroed)
        columns = self._inner(copies[:pixels].reshape(number, -1, height, self._channels))
        for row in range(height):
            first, last = max(0, top - row), min(rows, top - row + images.shape[1])
            place = columns[:, first:last, left : left + images.shape[2], row]
            np.copyto(whole(place), whole(images[:, first + row - top : last + row - top]))
        pixel, _, number_bytes = copies.strides
        shape = (number, width, self._places, width * height * self._channels)
        steps = self._places * width * pixel, pixel, width * pixel, number_bytes
        return np.ndarray(shape, copies.dtype, copies, strides=steps)

    def multiply(self, rows: Array, matrix: Array, out: Array, ctx: Context) -> None:
        """`out` (n, rows, columns, filters) of the windows."""
        products = ctx.buffer(f"of_{self._name}", (len(out), self._places, len(rows[0]), self._filters))
        np.matmul(rows, matrix, out=products.swapaxes(1, 2))
        np.copyto(out, self._inner(products.reshape(len(out), -1, self._filters))[:, :, : out.shape[2]])

    def add_products(self, rows: Array, d_out: Array, d_matrix: Array, ctx: Context) -> None:
        """Adds the gradient of the matrix."""
        spaced = ctx.buffer(f"at_{self._name}", (len(d_out), self._places, len(rows[0]), self._filters), fill=zeroed)
        np.copyto(self._inner(spaced.reshape(len(d_out), -1, self._filters))[:, :, : d_out.shape[2]], d_out)
        parts = ctx.buffer("d_parts", (*rows.shape[:2], *d_matrix.shape))
        np.matmul(rows.swapaxes(2, 3), spaced.swapaxes(1, 2), out=parts)
        part = ctx.buffer("d_part", d_matrix.shape)
        np.add.reduce(parts, axis=(0, 1), out=part)
        np.add(d_matrix, part, out=d_matrix)

    def _inner(self, pixels: Array) -> Array:
        """(n, pixels, ...) -> (n, rows, columns, ...), without those that are over."""
        rows = self._windows.count[0]
        return pixels[:, : rows * self._columns].reshape(len(pixels), rows, self._columns, *pixels.shape[2:])


def _turned(weight: Array) -> Array:
    """For the way back: (rows, columns, filters, channels) in reverse order, a view."""
    return weight[::-1, ::-1].swapaxes(2, 3)
