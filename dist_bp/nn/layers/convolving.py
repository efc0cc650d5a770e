"""What convolutions over one and over two axes share; the first is one of images a single pixel wide."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, ClassVar, Literal

from dist_bp.errors import OptionError, ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration
from dist_bp.nn.layers.affine import Activation, Affine, Bias, Start
from dist_bp.nn.layers.channel_groups import check_groups
from dist_bp.nn.layers.convolution import convolution
from dist_bp.nn.layers.ending import Ending
from dist_bp.nn.layers.windows import Sizes, Windows, rows_and_columns
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, Len, Whole
from dist_bp.signals import Spec, one_field
from dist_bp.types import Array, Shape

Margins = Literal["same", "valid"] | Whole | Annotated[Sequence[Whole], Len(2, 2)]


class Convolving(Affine):
    """A convolution over the axes of a sample but the last, its channels."""

    axes: ClassVar[int]
    positionwise = False

    def __init__(
        self,
        filters: Annotated[Count, Doc("Number of output channels.")],
        kernel: Annotated[Sizes, Doc("Size of the window: one number, or rows and columns.")],
        stride: Annotated[Sizes, Doc("How far windows are apart.")] = 1,
        padding: Annotated[
            Margins,
            Doc("Zeros around: `same` for as many outputs as strides fit, `valid` for none, or how many a side."),
        ] = "same",
        dilation: Annotated[Sizes, Doc("How far the elements of a window are apart.")] = 1,
        groups: Annotated[
            Count, Doc("Groups of channels that do not see each other; as many as channels: depthwise.")
        ] = 1,
        activation: Activation = None,
        bias: Bias = True,
        initializer: Start = None,
    ) -> None:
        super().__init__(activation, bias, initializer)
        if filters % groups:
            raise OptionError("groups", f"must divide the {filters} filters, got {groups}")
        self.filters = filters
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups

    def declare(self, spec: Spec) -> Declaration:
        shape = one_field(spec, self.kind, ragged=False).shape
        if len(shape) != self.axes + 1:
            wanted = "(rows, columns, channels)" if self.axes == 2 else "(positions, channels)"
            raise ShapeError(
                f"{self.kind} takes samples of shape {wanted}, got {shape}: bring them there with {{type: reshape}}"
            )
        check_groups(self.kind, self.groups, shape[-1], self.filters)
        windows = self._windows(shape)
        output = (*windows.count[: self.axes], self.filters)
        weight = (*windows.size[: self.axes], shape[-1] // self.groups, self.filters)
        return Declaration(one_field(spec, self.kind).shaped(output), self._declared(weight))

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        windows = self._windows(x.shape[1:])
        products = convolution(windows, x.shape[-1], self.filters, self.groups)
        image = x.reshape(len(x), *windows.image, x.shape[-1])
        y = ctx.buffer("y", (len(x), *windows.count, self.filters))
        ending = Ending(self.activation, y, params, ctx)
        products.forward(image, params["weight"], y, ctx, ending.forward)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            dy = dy.reshape(y.shape)
            dx = ctx.buffer("dx", image.shape) if ctx.needs_input_grad else None
            ending.begin_backward()
            products.backward(image, params["weight"], dy, grads, dx, ctx, partial(ending.backward, dy))
            ending.end_backward(grads)
            return None if dx is None else dx.reshape(x.shape)

        return y.reshape(len(x), *windows.count[: self.axes], self.filters), backward

    def _windows(self, shape: Shape) -> Windows:
        height, width = (*shape[:-1], 1)[:2]
        size, stride, dilation = (
            rows_and_columns(value, self.axes) for value in (self.kernel, self.stride, self.dilation)
        )
        padding = self.padding if isinstance(self.padding, str) else rows_and_columns(self.padding, self.axes, 0)
        return Windows.over((height, width), size, stride, dilation, padding)
