"""Images in colour."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dist_bp.data.preprocess.image_step import ImageStep

if TYPE_CHECKING:
    from dist_bp.images.operations import Recoloured


@dataclass(frozen=True)
class Rgb(ImageStep):
    """Make images of three channels, red, green and blue; of grey ones all three are alike."""

    name = "rgb"

    @property
    def operation(self) -> "Recoloured":
        from dist_bp.images.operations import Recoloured

        return Recoloured(3)
