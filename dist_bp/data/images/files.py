"""Image files as raw inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from dist_bp.data.class_folders import FileKind
from dist_bp.data.inputs import Raw, is_named
from dist_bp.images.suffixes import SUFFIXES

Unreadable = Literal["error", "skip"]
IMAGES = FileKind("an image", "images", SUFFIXES)


@dataclass(frozen=True)
class ImageFiles(Sequence[str]):
    """Paths of image files, one a sample; what is `unreadable` ends the preparation, or is left out."""

    paths: tuple[str, ...]
    unreadable: Unreadable = "error"

    def __len__(self) -> int:
        return len(self.paths)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str, ...]: ...
    def __getitem__(self, index: int | slice) -> str | tuple[str, ...]:
        return self.paths[index]


def image_files(raw: Raw) -> ImageFiles | None:
    """The files that raw inputs are, or that one of them is; None where there are none."""
    inputs = raw.values() if is_named(raw) else [raw]
    return next((one for one in inputs if isinstance(one, ImageFiles)), None)


def with_images(raw: Raw, images: Any) -> Raw:
    """Raw inputs with `images` in place of the files."""
    if not is_named(raw):
        return images
    return {name: images if isinstance(one, ImageFiles) else one for name, one in raw.items()}
