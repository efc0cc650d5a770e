"""Images without colour."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dist_bp.data.preprocess.image_step import ImageStep

if TYPE_CHECKING:
    from dist_bp.images.operations import Recoloured


@dataclass(frozen=True)
class Grayscale(ImageStep):
    """Make images grey, of one channel, by how bright colours look (ITU-R BT.601)."""

    name = "grayscale"

    @property
    def operation(self) -> "Recoloured":
        from dist_bp.images.operations import Recoloured

        return Recoloured(1)
