"""Convolution of images."""

from dist_bp.nn.layers.convolving import Convolving


class Conv2d(Convolving):
    """Convolution of images: activation(weighted sum of each window + bias), channels last.

    (n, rows, columns, channels) -> (n, rows', columns', filters), weight (*kernel, channels / groups, filters). What is
    called so everywhere: a cross-correlation (LeCun et al. 1998).
    """

    axes = 2
