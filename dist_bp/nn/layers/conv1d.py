"""Convolution of sequences of one length."""

from typing import Annotated, Literal

from dist_bp.nn.layers.affine import Activation, Bias, Start
from dist_bp.nn.layers.convolving import Convolving
from dist_bp.options import Count, Doc, Whole


class Conv1d(Convolving):
    """Convolution of sequences: activation(weighted sum of each window + bias), channels last.

    (n, positions, channels) -> (n, positions', filters), weight (kernel, channels / groups, filters).
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
