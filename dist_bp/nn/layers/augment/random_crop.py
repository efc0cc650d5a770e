"""Cut-outs of images with a margin."""

from collections.abc import Mapping
from typing import Annotated

from dist_bp.nn.layers.augment.base import Augmentation
from dist_bp.nn.layers.augment.moving import move
from dist_bp.options import Count, Doc
from dist_bp.types import Array


class RandomCrop(Augmentation):
    """In training, puts a margin of zeros around an image and cuts one of its size out at random (He et al. 2016)."""

    numbers = 2

    def __init__(self, padding: Annotated[Count, Doc("Width of the margin, in pixels.")] = 4) -> None:
        self.padding = padding

    def limits(self, rows: int, columns: int) -> Mapping[str, tuple[int, int]]:
        return {"padding": (self.padding, min(rows, columns))}

    def _change(self, image: Array, draw: Array, out: Array) -> None:
        move(image, *self._offset(draw), out)

    def _back(self, d_out: Array, draw: Array, d_image: Array) -> None:
        down, right = self._offset(draw)
        move(d_out, -down, -right, d_image)

    def _offset(self, draw: Array) -> tuple[int, int]:
        down, right = (int(number * (2 * self.padding + 1)) - self.padding for number in draw)
        return down, right
