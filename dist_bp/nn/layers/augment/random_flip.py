"""Mirror images."""

from typing import Annotated, Literal

import numpy as np

from dist_bp.nn.layers.augment.base import Augmentation
from dist_bp.options import Doc
from dist_bp.types import Array


class RandomFlip(Augmentation):
    """In training, mirrors every other image at random."""

    numbers = 2

    def __init__(
        self,
        direction: Annotated[
            Literal["horizontal", "vertical", "both"],
            Doc("`horizontal` swaps left and right, `vertical` top and bottom, `both` does each for itself."),
        ] = "horizontal",
    ) -> None:
        self.direction = direction

    def _change(self, image: Array, draw: Array, out: Array) -> None:
        across = draw[0] < 0.5 and self.direction != "vertical"
        down = draw[1] < 0.5 and self.direction != "horizontal"
        np.copyto(out, image[:: -1 if down else 1, :: -1 if across else 1])

    def _back(self, d_out: Array, draw: Array, d_image: Array) -> None:
        self._change(d_out, draw, d_image)
