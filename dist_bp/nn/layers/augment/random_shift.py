"""Moved images."""

from typing import Annotated

from dist_bp.nn.layers.augment.base import Augmentation
from dist_bp.nn.layers.augment.moving import move
from dist_bp.options import Doc, OpenFraction
from dist_bp.types import Array


class RandomShift(Augmentation):
    """In training, moves an image by a random part of its height and of its width; what is left empty is 0."""

    numbers = 2

    def __init__(
        self,
        height: Annotated[OpenFraction, Doc("Up or down by at most this part of the height.")] = 0.1,
        width: Annotated[OpenFraction, Doc("Left or right by at most this part of the width.")] = 0.1,
    ) -> None:
        self.height = height
        self.width = width

    def _change(self, image: Array, draw: Array, out: Array) -> None:
        move(image, *self._offset(image, draw), out)

    def _back(self, d_out: Array, draw: Array, d_image: Array) -> None:
        down, right = self._offset(d_out, draw)
        move(d_out, -down, -right, d_image)

    def _offset(self, image: Array, draw: Array) -> tuple[int, int]:
        most = (int(self.height * image.shape[0]), int(self.width * image.shape[1]))
        down, right = (int(number * (2 * limit + 1)) - limit for number, limit in zip(draw, most, strict=True))
        return down, right
