"""Turned images."""

import math
from typing import Annotated

from dist_bp.nn.layers.augment.base import Augmentation
from dist_bp.nn.layers.augment.turning import turn, turn_slopes
from dist_bp.options import Doc, Gt, Le
from dist_bp.types import Array


class RandomRotation(Augmentation):
    """In training, turns an image about its centre by a random angle, with bilinear interpolation.

    What comes from outside of the image is 0.
    """

    numbers = 1

    def __init__(
        self,
        degrees: Annotated[float, Gt(0), Le(180), Doc("By at most this angle, to the left or to the right.")] = 10.0,
    ) -> None:
        self.degrees = degrees

    def _change(self, image: Array, draw: Array, out: Array) -> None:
        turn(image, self._angle(draw), out)

    def _back(self, d_out: Array, draw: Array, d_image: Array) -> None:
        turn_slopes(d_out, self._angle(draw), d_image)

    def _angle(self, draw: Array) -> float:
        return math.radians(self.degrees) * (2.0 * float(draw[0]) - 1.0)
