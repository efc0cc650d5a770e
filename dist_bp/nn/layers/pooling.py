"""What layers share that make one number of each window of an image, channel by channel."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from functools import partial
from typing import Annotated, ClassVar, Literal

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.margins import Margins
from dist_bp.nn.layers.windows import Sizes, Windows, rows_and_columns, whole
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Doc
from dist_bp.signals import Ragged, Signal, Spec, one_field
from dist_bp.types import Array, Shape

BLOCK_BYTES = 2**18
Give = Callable[[int, Array], None]


class Pooling(Layer):
    """(n, rows, columns, channels) or (n, positions, channels) -> the same with fewer rows and columns or positions.

    Sequences of different lengths are each pooled as if they stood alone; one that is too short for a window has no
    positions.
    """

    positionwise = False
    outside: ClassVar[float]
    """What padding consists of."""

    def __init__(
        self,
        size: Annotated[Sizes, Doc("Size of the window: one number, or rows and columns.")] = 2,
        stride: Annotated[Sizes | None, Doc("How far windows are apart; null: next to each other.")] = None,
        padding: Annotated[
            Literal["same", "valid"], Doc("`same`: as many outputs as strides fit; `valid`: whole windows only.")
        ] = "valid",
    ) -> None:
        self.size = size
        self.stride = size if stride is None else stride
        self.padding = padding

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind)
        if field.ragged and len(field.shape) == 1:
            self._windows((self._margins.reach, *field.shape))
            return Declaration(self._margins.left_of(field))
        field = one_field(spec, self.kind, ragged=False)
        if len(field.shape) not in (2, 3):
            raise ShapeError(
                f"{self.kind} takes samples of shape (rows, columns, channels) or (positions, channels), "
                f"got {field.shape}"
            )
        axes = len(field.shape) - 1
        return Declaration(field.shaped((*self._windows(field.shape).count[:axes], field.shape[-1])))

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        return self._sequences(x, params, ctx) if isinstance(x, Ragged) else self._images(x, ctx)

    def _sequences(self, x: Ragged, params: Views, ctx: Context) -> tuple[Ragged, Backward]:
        """Each as if it stood alone."""
        whole_windows, margins = copy(self), self._margins
        whole_windows.padding = "valid"
        y, back = whole_windows._images(margins.around(x, self.outside, ctx), ctx)
        factor = self._without_margins(y, x.lengths, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            if factor is not None:
                np.multiply(dy, factor, out=dy)
            d_around = back(dy, grads)
            return None if d_around is None else margins.within(d_around, x, ctx)

        return Ragged(y, margins.windows(x.lengths)), backward

    @property
    def _margins(self) -> Margins:
        """Of windows over sequences."""
        size, stride = (rows_and_columns(value, 1)[0] for value in (self.size, self.stride))
        return Margins(size, stride, self.padding)

    def _images(self, x: Array, ctx: Context) -> tuple[Array, Backward]:
        windows = self._windows(x.shape[1:])
        image = x.reshape(len(x), *windows.image, x.shape[-1])
        padded = image
        if windows.is_padded:
            padded = ctx.buffer("padded", (len(x), *windows.padded, x.shape[-1]), fill=self._surround)
            np.copyto(padded[:, *windows.inner], image)
        y = ctx.buffer("y", (len(x), *windows.count, x.shape[-1]))
        blocks = _blocks(padded)
        for images in blocks:
            self._pool(_elements(padded[images], windows), windows, y[images], ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            if not ctx.needs_input_grad:
                return None
            dy = dy.reshape(y.shape)
            d_padded = ctx.buffer("d_padded", padded.shape)
            put = _put if windows.tile else _add
            for images in blocks:
                if not windows.tile:
                    d_padded[images].fill(0)
                elements, places = (_elements(image[images], windows) for image in (padded, d_padded))
                self._spread(dy[images], y[images], elements, partial(put, places), windows, ctx)
            if not windows.is_padded:
                return d_padded.reshape(x.shape)
            dx = ctx.buffer("dx", image.shape)
            np.copyto(dx, d_padded[:, *windows.inner])
            return dx.reshape(x.shape)

        return y.reshape(len(x), *windows.count[: x.ndim - 2], x.shape[-1]), backward

    @abstractmethod
    def _without_margins(self, y: Array, lengths: Array, ctx: Context) -> Array | None:
        """Corrects what the windows `y` of sequences with their margins made of these, and makes finite what nobody
        reads. Returns by what the gradient is to be multiplied, if by anything."""

    @abstractmethod
    def _pool(self, elements: Sequence[Array], windows: Windows, y: Array, ctx: Context) -> None:
        """Fills `y` from the windows' elements, views like `y` in the order of rows and columns."""

    @abstractmethod
    def _spread(
        self, dy: Array, y: Array, elements: Sequence[Array], give: Give, windows: Windows, ctx: Context
    ) -> None:
        """Hands the gradient of `y`, which it may overwrite, to the elements: `give(number, gradient)`."""

    def _surround(self, array: Array) -> None:
        array.fill(self.outside)

    def _windows(self, shape: Shape) -> Windows:
        height, width = (*shape[:-1], 1)[:2]
        size, stride = (rows_and_columns(value, len(shape) - 1) for value in (self.size, self.stride))
        return Windows.over((height, width), size, stride, (1, 1), self.padding)


def _blocks(images: Array) -> list[slice]:
    """Images that are in the cache together."""
    size = max(1, BLOCK_BYTES * len(images) // max(images.nbytes, 1))
    return [slice(start, start + size) for start in range(0, len(images), size)]


def _elements(padded: Array, windows: Windows) -> list[Array]:
    return [windows.elements(padded, *place, 0, windows.count[0]) for place in windows.places]


def _put(places: Sequence[Array], number: int, gradient: Array) -> None:
    np.copyto(whole(places[number]), whole(gradient))


def _add(places: Sequence[Array], number: int, gradient: Array) -> None:
    np.add(places[number], gradient, out=places[number])
