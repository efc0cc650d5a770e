"""Images of one size."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from dist_bp.data.preprocess.image_step import ImageStep, Size, height_and_width
from dist_bp.images.limits import Brightness, Filter, Mode
from dist_bp.options import Doc

if TYPE_CHECKING:
    from dist_bp.images.operations import Resized


@dataclass(frozen=True)
class Resize(ImageStep):
    """Bring images to one size; fit shows all with bars around it, fill cuts off what is beyond, stretch distorts."""

    name = "resize"
    size: Annotated[Size, Doc("[height, width], or one number for both.")]
    mode: Annotated[
        Mode,
        Doc("fit and fill keep the proportions: all of the image and bars, or its middle; stretch does not."),
    ] = "fit"
    filter: Annotated[
        Filter,
        Doc("How pixels are computed; all but nearest smooth what becomes smaller."),
    ] = "bilinear"
    padding: Annotated[Brightness, Doc("How bright the bars of fit are: 0 is black, 255 white.")] = 0

    @property
    def operation(self) -> "Resized":
        from dist_bp.images.operations import Resized

        return Resized(*height_and_width(self.size), self.mode, self.filter, self.padding)
