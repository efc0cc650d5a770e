"""Convolution of images by 3 x 3 windows next to each other, with less than half of the multiplications.

Winograd's F(2x2, 3x3) as in Lavin & Gray 2015 (arXiv 1509.09308), section 4.1: the image is cut into overlapping tiles
d of 4 x 4 pixels, which give 2 x 2 outputs each,

    y = A^T [(G g G^T) * (B^T d B)] A

with g the window's weights and * elementwise, for each filter summed over the channels: a matrix product for each of
the 16 elements. Its gradients are those of the same formula, read backwards. The sign of the fourth element is not that
of the paper, in A and in B, so that the way back through A needs no negation.
"""

from collections.abc import Callable, Iterator

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layers.windows import Windows, short_loops, whole, zeroed
from dist_bp.types import Array

G = np.array([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]])
BLOCK_BYTES = 2**21
"""Size of the transformed tiles of a block of images, inputs and outputs together: larger ones leave the cache, and in
smaller ones the calls cost more than the arithmetic."""


class Winograd:
    """y[n, r, c, f] = sum over the 3 x 3 window at (r, c) of x * weight[..., f]; weight (3, 3, channels, filters)."""

    def __init__(self, windows: Windows, channels: int, filters: int) -> None:
        self._windows = windows
        self._channels = channels
        self._filters = filters
        rows, columns = windows.count
        self._tiles = -(-rows // 2), -(-columns // 2)

    def forward(self, x: Array, weight: Array, y: Array, ctx: Context, finish: Callable[[slice], None]) -> None:
        transformed = self._weight(weight, ctx)
        for images in self._blocks(x):
            with short_loops():
                inputs = self._inputs(x[images], ctx)
                outputs = ctx.buffer("tiled_y", (*inputs.shape[:-1], self._filters))
                np.matmul(_flat(inputs), transformed, out=_flat(outputs))
                self._untile(outputs, y[images])
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
        transformed = self._weight(weight, ctx)
        way_back = ctx.buffer("transformed_back", (16, self._filters, self._channels))
        np.copyto(way_back, transformed.swapaxes(1, 2))  # small products are slower where the second one is turned
        d_weight = ctx.buffer("d_transformed", transformed.shape)
        part = ctx.buffer("d_part", transformed.shape)
        d_weight.fill(0)
        for images in self._blocks(x):
            prepare(images)
            with short_loops():
                inputs, d_outputs = self._inputs(x[images], ctx), self._tile(dy[images], ctx)
                np.matmul(_flat(inputs).transpose(0, 2, 1), _flat(d_outputs), out=part)
                np.add(d_weight, part, out=d_weight)
                if dx is not None:
                    np.matmul(_flat(d_outputs), way_back, out=_flat(inputs))
                    self._add_up(inputs, dx[images], ctx)
        kernel = grads.into("weight").reshape(9, -1)
        np.matmul(ctx.buffer("kernel", (16, 9), fill=_kernel).T, d_weight.reshape(16, -1), out=kernel)

    def _blocks(self, x: Array) -> Iterator[slice]:
        rows, columns = self._tiles
        image_bytes = 16 * rows * columns * (self._channels + self._filters) * x.itemsize
        size = max(1, BLOCK_BYTES // image_bytes)
        for start in range(0, len(x), size):
            yield slice(start, min(start + size, len(x)))

    def _weight(self, weight: Array, ctx: Context) -> Array:
        """G g G^T, (16, channels, filters)."""
        transformed = ctx.buffer("transformed", (16, self._channels, self._filters))
        kernel = ctx.buffer("kernel", (16, 9), fill=_kernel)
        np.matmul(kernel, weight.reshape(9, -1), out=transformed.reshape(16, -1))
        return transformed

    def _inputs(self, x: Array, ctx: Context) -> Array:
        """B^T d B of all tiles, (4, 4, n, *tiles, channels)."""
        rows, columns = self._tiles
        pixels = self._pixels(x, ctx)
        half = ctx.buffer("half", (4, len(x), rows, 2, columns + 1, self._channels))
        tiles = ctx.buffer("tiled_x", (4, 4, len(x), rows, columns, self._channels))
        _differences([pixels[:, row : row + 2 * rows : 2] for row in range(4)], half)
        _differences(_columns(half), tiles.swapaxes(0, 1))
        return tiles

    def _pixels(self, x: Array, ctx: Context) -> Array:
        """The padded images with the columns of even number before those of odd: neighbours in a row of tiles are
        neighbours in memory. (n, 2 rows of tiles + 2, 2, columns of tiles + 1, channels)"""
        pixels = ctx.buffer("pixels", self._pixels_shape(x), fill=zeroed)
        for place, own in self._halves(pixels, x):
            np.copyto(whole(place), whole(own))
        return pixels

    def _pixels_shape(self, x: Array) -> tuple[int, ...]:
        rows, columns = self._tiles
        return len(x), 2 * rows + 2, 2, columns + 1, self._channels

    def _halves(self, pixels: Array, x: Array) -> Iterator[tuple[Array, Array]]:
        """The columns of even and of odd number among the padded ones: in `pixels`, and in the images."""
        top, left = self._windows.before
        for odd in range(2):
            own = x[:, :, (odd - left) % 2 :: 2]
            first = (left + 1 - odd) // 2
            yield pixels[:, top : top + x.shape[1], odd, first : first + own.shape[2]], own

    def _untile(self, outputs: Array, y: Array) -> None:
        """Fills `y` with A^T m A of its tiles, which are overwritten."""
        _sums(outputs)
        _sums(outputs[:2].swapaxes(0, 1))
        for row, column in np.ndindex(2, 2):
            place = y[:, row::2, column::2]
            np.copyto(whole(place), whole(outputs[row, column, :, : place.shape[1], : place.shape[2]]))

    def _tile(self, dy: Array, ctx: Context) -> Array:
        """The gradient of the tiled outputs, A dy A^T, (4, 4, n, *tiles, filters)."""
        tiles = ctx.buffer("tiled_y", (4, 4, len(dy), *self._tiles, self._filters))
        odd = any(count % 2 for count in self._windows.count)
        for row, column in np.ndindex(2, 2):
            own, place = dy[:, row::2, column::2], tiles[3 * row, 3 * column]
            if odd:
                place.fill(0)
            np.copyto(whole(place[:, : own.shape[1], : own.shape[2]]), whole(own))
        _spread(tiles[::3].swapaxes(0, 1))
        _spread(tiles)
        return tiles

    def _add_up(self, d_tiles: Array, dx: Array, ctx: Context) -> None:
        """Fills `dx` with the sums of B d B^T of the tiles, which are overwritten."""
        rows, columns = self._tiles
        half = ctx.buffer("half", (4, len(dx), rows, 2, columns + 1, self._channels))
        pixels = ctx.buffer("d_pixels", self._pixels_shape(dx))
        _overlap(d_tiles.swapaxes(0, 1), half[:, :, :, 0], half[:, :, :, 1], axis=3)
        _overlap(half, pixels[:, ::2], pixels[:, 1::2], axis=1)
        for place, own in self._halves(pixels, dx):
            np.copyto(whole(own), whole(place))


def _columns(half: Array) -> list[Array]:
    """The four columns of each tile."""
    even, odd = half[:, :, :, 0], half[:, :, :, 1]
    return [even[:, :, :, :-1], odd[:, :, :, :-1], even[:, :, :, 1:], odd[:, :, :, 1:]]


def _differences(d: list[Array], out: Array) -> None:
    """B^T d along one axis, into out[0], ..., out[3]."""
    np.subtract(d[0], d[2], out=out[0])
    np.add(d[1], d[2], out=out[1])
    np.subtract(d[2], d[1], out=out[2])
    np.subtract(d[3], d[1], out=out[3])


def _sums(m: Array) -> None:
    """A^T m along the first axis, in place: into m[0] and m[1]."""
    np.add(m[0], m[1], out=m[0])
    np.add(m[0], m[2], out=m[0])
    np.subtract(m[1], m[2], out=m[1])
    np.add(m[1], m[3], out=m[1])


def _spread(m: Array) -> None:
    """A y along the first axis, in place: y stands in m[0] and m[3]."""
    np.add(m[0], m[3], out=m[1])
    np.subtract(m[0], m[3], out=m[2])


def _overlap(d: Array, even: Array, odd: Array, axis: int) -> None:
    """B d along one axis, d[0], ..., d[3], which are overwritten; tiles that overlap along the `axis` of `even` and
    `odd`, the elements of even and of odd number, are added up."""
    first, last = [(slice(None),) * axis + (part,) for part in (slice(-1), slice(1, None))]
    end = (slice(None),) * axis + (-1,)
    np.subtract(d[1], d[2], out=odd[first])
    np.add(d[1], d[2], out=d[1])
    np.subtract(d[1], d[0], out=d[1])
    np.copyto(even[first], d[0])
    even[end] = 0
    np.add(even[last], d[1], out=even[last])
    np.subtract(odd[first], d[3], out=odd[first])
    odd[end] = 0
    np.add(odd[last], d[3], out=odd[last])


def _kernel(out: Array) -> None:
    out[:] = np.kron(G, G)


def _flat(tiles: Array) -> Array:
    """(16, tiles, channels)."""
    return tiles.reshape(16, -1, tiles.shape[-1])
