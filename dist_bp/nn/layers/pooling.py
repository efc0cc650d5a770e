"""What layers share that make one number of each window of an image, channel by channel."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration, Layer
from dist_bp.nn.layers.windows import Windows
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, Len
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array, Shape

Sizes = Count | Annotated[Sequence[Count], Len(2, 2)]


class Pooling(Layer):
    """(n, rows, columns, channels) or (n, positions, channels) -> the same with fewer rows and columns or positions."""

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
        field = one_field(spec, self.kind, ragged=False)
        if len(field.shape) not in (2, 3):
            raise ShapeError(
                f"{self.kind} takes samples of shape (rows, columns, channels) or (positions, channels), "
                f"got {field.shape}"
            )
        axes = len(field.shape) - 1
        return Declaration(field.shaped((*self._windows(field.shape).count[:axes], field.shape[-1])))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        windows = self._windows(x.shape[1:])
        image = x.reshape(len(x), *windows.image, x.shape[-1])
        padded = image
        if windows.is_padded:
            padded = ctx.buffer("padded", (len(x), *windows.padded, x.shape[-1]), fill=self._surround)
            np.copyto(padded[:, *windows.inner], image)
        y = ctx.buffer("y", (len(x), *windows.count, x.shape[-1]))
        elements = [windows.elements(padded, *at, 0, windows.count[0]) for at in windows.places]
        back = self._pool(elements, windows, y, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            if not ctx.needs_input_grad:
                return None
            d_padded = ctx.buffer("d_padded", padded.shape)
            d_padded.fill(0)
            back(
                dy.reshape(y.shape),
                [windows.elements(d_padded, *at, 0, windows.count[0]) for at in windows.places],
            )
            if not windows.is_padded:
                return d_padded.reshape(x.shape)
            dx = ctx.buffer("dx", image.shape)
            np.copyto(dx, d_padded[:, *windows.inner])
            return dx.reshape(x.shape)

        return y.reshape(len(x), *windows.count[: x.ndim - 2], x.shape[-1]), backward

    @abstractmethod
    def _pool(
        self, elements: Sequence[Array], windows: Windows, y: Array, ctx: Context
    ) -> Callable[[Array, Sequence[Array]], None]:
        """Fills `y` from the windows' elements, views like `y` in the order of rows and columns.

        Returns what adds the gradient of `y`, which it may overwrite, to those of the elements.
        """

    def _surround(self, array: Array) -> None:
        array.fill(self.outside)

    def _windows(self, shape: Shape) -> Windows:
        flat = len(shape) == 2
        height, width = (*shape[:-1], 1)[:2]
        size, stride = (_both(value, flat) for value in (self.size, self.stride))
        return Windows.over((height, width), size, stride, (1, 1), self.padding)


def _both(value: int | Sequence[int], flat: bool) -> tuple[int, int]:
    if isinstance(value, int):
        return value, 1 if flat else value
    first, second = value
    return first, second
