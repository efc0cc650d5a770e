"""What the steps for images share."""

from collections.abc import Sequence
from typing import Annotated

from dist_bp.data.preprocess.media_step import MediaStep
from dist_bp.images.limits import Side
from dist_bp.options import Len

Size = Side | Annotated[Sequence[Side], Len(2, 2)]


class ImageStep(MediaStep):
    """A step that makes images of images of any size."""

    files = "images"


def height_and_width(size: Size) -> tuple[int, int]:
    """Of the option `size`."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width
