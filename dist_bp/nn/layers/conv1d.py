"""Convolution of sequences of one length."""

from typing import Annotated, Literal

from dist_bp.nn.activations import ActivationFunction, ActivationName
from dist_bp.nn.initializers import Initializer, InitializerName
from dist_bp.nn.layers.affine import HOW_IT_BEGINS
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
        activation: Annotated[
            ActivationName | ActivationFunction | None,
            Doc("Function of the outputs: its name, or with options; null: none."),
        ] = None,
        bias: Annotated[bool, Doc("Whether a bias is added.")] = True,
        initializer: Annotated[InitializerName | Initializer | None, Doc(HOW_IT_BEGINS)] = None,
    ) -> None:
        super().__init__(filters, kernel, stride, padding, dilation, groups, activation, bias, initializer)
