"""What the steps for files share: they come first, learn nothing, and become part of what decodes a file."""

from abc import abstractmethod
from typing import Any, ClassVar

from dist_bp.data.preprocess.base import Blocks, Preprocessor, Transform
from dist_bp.data.preprocess.form import Form
from dist_bp.errors import DataError


class MediaStep(Preprocessor):
    """A step that works on what one file holds, `files` says of which kind, as part of what decodes it."""

    files: ClassVar[str]
    columns = None

    @property
    @abstractmethod
    def operation(self) -> Any:
        """What `dist_bp.images` or `dist_bp.sounds` does to one file."""

    def fit(self, form: Form, blocks: Blocks) -> Transform:
        """Nobody fits it: it is part of the decoder. Raises DataError where it does not stand first."""
        raise DataError(self.problems(form))

    def problems(self, form: Form) -> list[str]:
        return [f"{self.label}: steps for {self.files} must come first in data.preprocess, before those for numbers"]
