"""Files of images or sounds as raw inputs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from dist_bp.data.class_folders import FileKind
from dist_bp.data.inputs import Raw, is_named
from dist_bp.images.suffixes import SUFFIXES as OF_IMAGES
from dist_bp.media.decoder import Clip
from dist_bp.sounds.suffixes import SUFFIXES as OF_SOUNDS

IfUnreadable = Literal["error", "skip"]
IMAGES = FileKind("an image", "images", OF_IMAGES)
SOUNDS = FileKind("a sound", "sounds", OF_SOUNDS)


@dataclass(frozen=True)
class MediaFiles(Sequence[str | Clip]):
    """Paths of files, or parts of them, one a sample; what is `unreadable` ends the preparation, or is left out."""

    items: tuple[str | Clip, ...]
    kind: FileKind
    unreadable: IfUnreadable = "error"

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> str | Clip: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str | Clip, ...]: ...
    def __getitem__(self, index: int | slice) -> str | Clip | tuple[str | Clip, ...]:
        return self.items[index]


def media_files(raw: Raw) -> MediaFiles | None:
    """The files that raw inputs are, or that one of them is; None where there are none."""
    inputs = raw.values() if is_named(raw) else [raw]
    return next((one for one in inputs if isinstance(one, MediaFiles)), None)


def with_arrays(raw: Raw, arrays: Any) -> Raw:
    """Raw inputs with `arrays` in place of the files."""
    if not is_named(raw):
        return arrays
    return {name: arrays if isinstance(one, MediaFiles) else one for name, one in raw.items()}


def named(item: str | Clip) -> str:
    """A file, or a part of one, for messages."""
    return repr(item) if isinstance(item, str) else f"{item.file!r} from {item.start:g} s on"
