"""Convolution of sequences."""

from copy import copy
from dataclasses import replace
from typing import Annotated, Literal

from dist_bp.nn.context import Context
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Declaration
from dist_bp.nn.layers.affine import Activation, Bias, Start
from dist_bp.nn.layers.convolving import Convolving
from dist_bp.nn.layers.margins import Margins
from dist_bp.nn.types import Backward, Views
from dist_bp.options import Count, Doc, Whole
from dist_bp.signals import Field, Ragged, Signal, Spec, one_field, one_sequence
from dist_bp.types import Array


class Conv1d(Convolving):
    """Convolution of sequences: activation(weighted sum of each window + bias), channels last.

    (n, positions, channels) -> (n, positions', filters), weight (kernel, channels / groups, filters). Sequences of
    different lengths are each convolved as if they stood alone; one that is too short for a window has no positions.
    """

    axes = 1

    def __init__(
        self,
        filters: Annotated[Count, Doc("Number of output channels.")],
        kernel: Annotated[Count, Doc("Positions in a window.")],
        stride: Annotated[Count, Doc("How far windows are apart.")] = 1,
        padding: Annotated[
            Literal["same", "valid"] | Whole,
            Doc("Zeros around: `same` for as many outputs as strides fit, `valid` for none, or how many a side."),
        ] = "same",
        dilation: Annotated[Count, Doc("How far the elements of a window are apart.")] = 1,
        groups: Annotated[
            Count, Doc("Groups of channels that do not see each other; as many as channels: depthwise.")
        ] = 1,
        activation: Activation = None,
        bias: Bias = True,
        initializer: Start = None,
    ) -> None:
        super().__init__(filters, kernel, stride, padding, dilation, groups, activation, bias, initializer)
        self._margins = Margins((kernel - 1) * dilation + 1, stride, padding)

    def declare(self, spec: Spec) -> Declaration:
        field = one_field(spec, self.kind)
        if not field.ragged:
            return super().declare(spec)
        window = super().declare(Field((self._margins.reach, *one_sequence(field, self.kind).shape)))
        return replace(window, output=self._margins.left_of(field.shaped((self.filters,))))

    def forward(self, x: Signal, params: Views, ctx: Context) -> tuple[Signal, Backward]:
        if not isinstance(x, Ragged):
            return super().forward(x, params, ctx)
        whole_windows = copy(self)
        whole_windows.padding = "valid"
        y, back = super(Conv1d, whole_windows).forward(self._margins.around(x, 0.0, ctx), params, ctx)

        def backward(dy: Array, grads: Gradients) -> Array | None:
            d_around = back(dy, grads)
            return None if d_around is None else self._margins.within(d_around, x, ctx)

        return Ragged(y, self._margins.windows(x.lengths)), backward
