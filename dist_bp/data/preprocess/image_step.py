"""What the steps for images share: they come first, learn nothing, and work on images of any size."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any

from dist_bp.data.preprocess.base import Blocks, Preprocessor, Transform
from dist_bp.data.preprocess.form import Form
from dist_bp.errors import DataError
from dist_bp.images.limits import Side
from dist_bp.options import Len

Size = Side | Annotated[Sequence[Side], Len(2, 2)]


class ImageStep(Preprocessor):
    """A step that makes images of images; it becomes part of what decodes them."""

    columns = None

    @property
    @abstractmethod
    def operation(self) -> Any:
        """What `dist_bp.images` does to one image."""

    def fit(self, form: Form, blocks: Blocks) -> Transform:
        """Nobody fits it: it is part of the decoder. Raises DataError where it does not stand first."""
        raise DataError(self.problems(form))

    def problems(self, form: Form) -> list[str]:
        return [f"{self.label}: steps for images must come first in data.preprocess, before those for numbers"]


def height_and_width(size: Size) -> tuple[int, int]:
    """Of the option `size`."""
    height, width = (size, size) if isinstance(size, int) else size
    return height, width
