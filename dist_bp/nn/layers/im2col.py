"""Convolution of images, channels last: windows are copied side by side, a block at a time, for one product each.

Chellapilla, Puri & Simard 2006 (High performance convolutional neural networks for document processing), section 3.1;
also known as im2col.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layers.windows import Windows, whole, zeroed
from dist_bp.types import Array

BLOCK_BYTES = 2**19
"""Size of a block of windows: it stays in the cache of one core between its copy and its product."""


class Block(NamedTuple):
    """Some images, and of those some rows of windows."""

    images: slice
    first: int
    last: int


class Im2col:
    """y[n, r, c, f] = sum over the window at (r, c) of x * weight[..., f], of `groups` of channels apart.

    Weight (*size, channels / groups, filters): filters of group g see its channels only (as in AlexNet, Krizhevsky et
    al. 2012).
    """

    def __init__(self, windows: Windows, channels: int, filters: int, groups: int) -> None:
        self._windows = windows
        self._channels = channels // groups
        self._filters = filters // groups
        self._groups = groups
        height, width = windows.size
        self._window = height * width * self._channels
        self._pointwise = windows.size == (1, 1) and windows.stride == (1, 1) and not windows.is_padded

    def forward(self, x: Array, weight: Array, y: Array, ctx: Context, finish: Callable[[slice], None]) -> None:
        for block in self._blocks(len(x), x.itemsize):
            padded = self._padded(x[block.images], ctx)
            out = y[block.images, block.first : block.last]
            for group in range(self._groups):
                columns = self._columns(padded, group, block, ctx)
                self._product(columns, self._weight(weight, group), out, group, ctx)
            if block.last == y.shape[1]:
                finish(block.images)

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
        d_weight.fill(0)
        part = ctx.buffer("d_weight", (self._window, self._filters))
        for block in self._blocks(len(x), x.itemsize):
            if block.first == 0:
                prepare(block.images)
            padded = self._padded(x[block.images], ctx)
            d_padded = None if dx is None else self._d_padded(dx[block.images], block, ctx)
            for group in range(self._groups):
                d_out = self._own(dy[block.images, block.first : block.last], group, ctx)
                np.matmul(self._columns(padded, group, block, ctx).T, d_out, out=part)
                place = self._weight(d_weight, group)
                np.add(place, part, out=place)
                if d_padded is not None:
                    self._add_back(d_out, self._weight(weight, group), d_padded, group, block, ctx)
            if dx is not None and d_padded is not None and self._windows.is_padded:
                np.copyto(dx[block.images], d_padded[:, *self._windows.inner])

    def _blocks(self, images: int, itemsize: int) -> Iterator[Block]:
        rows, columns = self._windows.count
        row_bytes = columns * self._window * itemsize
        at_a_time = max(1, min(rows, BLOCK_BYTES // row_bytes))
        images_at_a_time = max(1, BLOCK_BYTES // (rows * row_bytes))
        for start in range(0, images, images_at_a_time):
            some = slice(start, min(start + images_at_a_time, images))
            for first in range(0, rows, at_a_time):
                yield Block(some, first, min(first + at_a_time, rows))

    def _padded(self, x: Array, ctx: Context) -> Array:
        windows = self._windows
        if not windows.is_padded:
            return x
        padded = ctx.buffer("padded", (len(x), *windows.padded, x.shape[-1]), fill=zeroed)
        np.copyto(padded[:, *windows.inner], x)
        return padded

    def _d_padded(self, dx: Array, block: Block, ctx: Context) -> Array:
        """Where the gradient of the padded images is added up, zeros before their first rows of windows."""
        windows = self._windows
        if windows.is_padded:
            dx = ctx.buffer("d_padded", (len(dx), *windows.padded, dx.shape[-1]))
        if block.first == 0:
            dx.fill(0)
        return dx

    def _columns(self, padded: Array, group: int, block: Block, ctx: Context) -> Array:
        """The windows of a block (windows, window)."""
        windows, shape = self._windows, self._shape(padded, block)
        own = padded[..., group * self._channels : (group + 1) * self._channels]
        if self._pointwise:
            return own[:, block.first : block.last].reshape(-1, self._channels)
        if self._channels == 1:  # whole rows of an image are copied, not single numbers
            planes = ctx.buffer("planes", (self._window, *shape))
            for plane, (row, column) in zip(planes, windows.places, strict=True):
                np.copyto(plane, windows.elements(own, row, column, block.first, block.last)[..., 0])
            return planes.reshape(self._window, -1).T
        runs = windows.runs(own, block.first, block.last)
        side_by_side = ctx.buffer("columns", (*shape, len(runs), runs[0].shape[-1]))
        for number, run in enumerate(runs):
            np.copyto(whole(side_by_side[:, :, :, number]), whole(run))
        return side_by_side.reshape(-1, self._window)

    def _add_back(self, d_out: Array, weight: Array, d_padded: Array, group: int, block: Block, ctx: Context) -> None:
        """Adds the gradients of a block's windows to the pixels that they are made of, element by element of a window:
        whole rows of an image at a time."""
        windows, shape = self._windows, self._shape(d_padded, block)
        own = d_padded[..., group * self._channels : (group + 1) * self._channels]
        spread = ctx.buffer("spread", (len(windows.places), *shape, self._channels))
        by_element = weight.reshape(len(windows.places), self._channels, self._filters)
        np.matmul(d_out, by_element.transpose(0, 2, 1), out=spread.reshape(len(windows.places), -1, self._channels))
        for element, (row, column) in zip(spread, windows.places, strict=True):
            place = windows.elements(own, row, column, block.first, block.last)
            np.add(place, element, out=place)

    def _shape(self, padded: Array, block: Block) -> tuple[int, int, int]:
        """Of the windows of a block: images, rows, columns."""
        return len(padded), block.last - block.first, self._windows.count[1]

    def _product(self, columns: Array, weight: Array, out: Array, group: int, ctx: Context) -> None:
        if self._groups == 1 and out.flags.c_contiguous:
            np.matmul(columns, weight, out=out.reshape(-1, self._filters))
            return
        product = ctx.buffer("product", (len(columns), self._filters))
        np.matmul(columns, weight, out=product)
        own = out[..., group * self._filters : (group + 1) * self._filters]
        np.copyto(own, product.reshape(own.shape))

    def _own(self, dy: Array, group: int, ctx: Context) -> Array:
        """The group's part of a block of `dy`, (windows, filters)."""
        if self._groups == 1:
            return dy.reshape(-1, self._filters)
        own = dy[..., group * self._filters : (group + 1) * self._filters]
        copy = ctx.buffer("d_own", own.shape)
        np.copyto(copy, own)
        return copy.reshape(-1, self._filters)

    def _weight(self, weight: Array, group: int) -> Array:
        """(window, filters of the group): a view."""
        return weight.reshape(self._window, -1)[:, group * self._filters : (group + 1) * self._filters]
