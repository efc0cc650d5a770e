"""Windows that slide over the two axes of an image: where they lie, and what padding they need."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Annotated, Literal

import numpy as np
from numpy.lib.stride_tricks import as_strided

from dist_bp.errors import ShapeError
from dist_bp.options import Count, Len
from dist_bp.types import Array

Padding = Literal["same", "valid"] | tuple[int, int]
Sizes = Count | Annotated[Sequence[Count], Len(2, 2)]
"""One number for all axes, or one for rows and one for columns."""


def rows_and_columns(value: int | Sequence[int], axes: int, otherwise: int = 1) -> tuple[int, int]:
    """The two numbers of `Sizes`; where a sample has one axis, a single number leaves `otherwise` for columns."""
    if isinstance(value, int):
        return value, value if axes == 2 else otherwise
    first, second = value
    return first, second


@dataclass(frozen=True)
class Windows:
    """Windows of `size` (rows, columns) over an image (height, width), `stride` apart, their elements `dilation` apart.

    `before` and `after` are the rows and columns of padding on each side.
    """

    image: tuple[int, int]
    size: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]

    @classmethod
    def over(
        cls,
        image: tuple[int, int],
        size: tuple[int, int],
        stride: tuple[int, int],
        dilation: tuple[int, int],
        padding: Padding,
    ) -> "Windows":
        """`same` gives as many windows as strides fit into the image, `valid` pads nothing, numbers that many rows and
        columns on each side. Raises ShapeError where no window fits."""
        reach = [step * (n - 1) + 1 for n, step in zip(size, dilation, strict=True)]
        if padding == "same":
            pads = [
                max((-(-length // step) - 1) * step + far - length, 0)
                for length, step, far in zip(image, stride, reach, strict=True)
            ]
            before, after = [pad // 2 for pad in pads], [pad - pad // 2 for pad in pads]
        else:
            before = after = [0, 0] if padding == "valid" else [*padding]
        made = cls(image, size, stride, dilation, (before[0], before[1]), (after[0], after[1]))
        if min(made.count) < 1:
            wide = f" ({reach[0]} x {reach[1]} with its dilation)" if (*reach,) != size else ""
            raise ShapeError(
                f"a window of {size[0]} x {size[1]}{wide} does not fit into {image[0]} x {image[1]}: make it smaller, "
                "or set padding: same"
            )
        return made

    @cached_property
    def padded(self) -> tuple[int, int]:
        """Height and width of the image with its padding."""
        height, width = (
            low + length + high for low, length, high in zip(self.before, self.image, self.after, strict=True)
        )
        return height, width

    @cached_property
    def count(self) -> tuple[int, int]:
        """How many windows there are, in rows and columns."""
        rows, columns = (
            (length - step * (n - 1) - 1) // jump + 1
            for length, n, jump, step in zip(self.padded, self.size, self.stride, self.dilation, strict=True)
        )
        return rows, columns

    @cached_property
    def is_padded(self) -> bool:
        return any((*self.before, *self.after))

    @cached_property
    def tile(self) -> bool:
        """Whether each number of the padded image lies in one window."""
        covered = tuple(n * step for n, step in zip(self.count, self.stride, strict=True))
        return self.size == self.stride and self.dilation == (1, 1) and covered == self.padded

    @property
    def inner(self) -> tuple[slice, slice]:
        """The image within its padding."""
        rows, columns = (slice(low, low + length) for low, length in zip(self.before, self.image, strict=True))
        return rows, columns

    @cached_property
    def places(self) -> tuple[tuple[int, int], ...]:
        """(row, column) of each element of a window, in order."""
        return tuple(product(range(self.size[0]), range(self.size[1])))

    def elements(self, padded: Array, row: int, column: int, first: int, last: int) -> Array:
        """Element (row, column) of the windows of rows first ... last of `padded` (n, height, width, ...), a view."""
        top = row * self.dilation[0] + first * self.stride[0]
        left = column * self.dilation[1]
        return padded[
            :,
            top : top + (last - first - 1) * self.stride[0] + 1 : self.stride[0],
            left : left + (self.count[1] - 1) * self.stride[1] + 1 : self.stride[1],
        ]

    def runs(self, padded: Array, first: int, last: int) -> list[Array]:
        """What those windows consist of in order, numbers that are neighbours in memory together: whole rows of a
        window, or single elements. Views (n, last - first, columns, length)."""
        width = self.size[1]
        images, *strides, number = padded.strides
        if self.dilation[1] > 1 or padded.shape[-1] * number != strides[1]:
            return [self.elements(padded, *place, first, last) for place in self.places]
        shape = (len(padded), last - first, self.count[1], width * padded.shape[-1])
        steps = (images, *(stride * step for stride, step in zip(strides, self.stride, strict=True)), number)
        starts = (first * self.stride[0] + row * self.dilation[0] for row in range(self.size[0]))
        return [as_strided(padded[:, start:], shape, steps, writeable=False) for start in starts]


LOOP = 128


@contextmanager
def short_loops() -> Iterator[None]:
    """Within it NumPy computes with rows of `LOOP` numbers and more where they lie. Otherwise it first collects several
    shorter than its buffer of 8,192, for each operand, which takes longer than the arithmetic; casts want that buffer.
    """
    with np.errstate():  # it keeps the size of the buffer, too
        np.setbufsize(LOOP)
        yield


def zeroed(array: Array) -> None:
    """For memory whose border stays 0."""
    array.fill(0)


def whole(array: Array) -> Array:
    """The vectors along the last axis as one element each, a view: NumPy copies short ones faster than their numbers.

    They must be contiguous.
    """
    return array.view(np.dtype((np.void, array.shape[-1] * array.itemsize)))[..., 0]
