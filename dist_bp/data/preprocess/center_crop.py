"""The middle of images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dist_bp.data.preprocess.image_step import ImageStep, Size, height_and_width
from dist_bp.options import Doc

if TYPE_CHECKING:
    from dist_bp.images.operations import Cropped


@dataclass(frozen=True)
class CenterCrop(ImageStep):
    """Keep the middle of images; one that is smaller is an error."""

    name = "center_crop"
    size: Annotated[Size, Doc("[height, width] of what is kept, or one number for both.")]

    @property
    def operation(self) -> "Cropped":
        from dist_bp.images.operations import Cropped

        return Cropped(*height_and_width(self.size))
