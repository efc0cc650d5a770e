"""Images with a hole."""

from collections.abc import Mapping
from typing import Annotated

import numpy as np

from dist_bp.nn.layers.augment.base import Augmentation
from dist_bp.options import Count, Doc
from dist_bp.types import Array


class Cutout(Augmentation):
    """In training, sets a square of an image to 0, its centre anywhere in the image (DeVries & Taylor 2017)."""

    numbers = 2

    def __init__(self, size: Annotated[Count, Doc("Side of the square, in pixels.")] = 8) -> None:
        self.size = size

    def limits(self, rows: int, columns: int) -> Mapping[str, tuple[int, int]]:
        return {"size": (self.size, max(rows, columns))}

    def _change(self, image: Array, draw: Array, out: Array) -> None:
        np.copyto(out, image)
        first = [int(number * side) - self.size // 2 for number, side in zip(draw, image.shape[:2], strict=True)]
        rows, columns = (slice(max(start, 0), max(start + self.size, 0)) for start in first)
        out[rows, columns] = 0

    def _back(self, d_out: Array, draw: Array, d_image: Array) -> None:
        self._change(d_out, draw, d_image)
