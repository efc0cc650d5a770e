"""Files of images or sounds as raw inputs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np

from dist_bp.data.class_folders import FileKind
from dist_bp.data.inputs import Raw, is_named, row_at
from dist_bp.data.samples import RaggedArray
from dist_bp.errors import DataError
from dist_bp.images.suffixes import SUFFIXES as OF_IMAGES
from dist_bp.media.decoder import Clip, Recording
from dist_bp.sounds.suffixes import SUFFIXES as OF_SOUNDS
from dist_bp.types import Array

IfUnreadable = Literal["error", "skip"]
IMAGES = FileKind("an image", "images", OF_IMAGES)
SOUNDS = FileKind("a sound", "sounds", OF_SOUNDS)


@dataclass(frozen=True)
class MediaFiles(Sequence[str | Clip | Recording]):
    """Paths of files, parts of them, or sounds in memory, one a sample; what is `unreadable` ends the preparation, or
    is left out."""

    items: tuple[str | Clip | Recording, ...]
    kind: FileKind
    unreadable: IfUnreadable = "error"

    def __len__(self) -> int:
        return len(self.items)

    @overload
    def __getitem__(self, index: int) -> str | Clip | Recording: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[str | Clip | Recording, ...]: ...
    def __getitem__(self, index: int | slice) -> str | Clip | Recording | tuple[str | Clip | Recording, ...]:
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


def recordings(
    signals: Array | RaggedArray, rate: int, path: str, first: int = 0, unreadable: IfUnreadable = "error"
) -> MediaFiles:
    """Signals of a file, one a row, as sounds; the first of them is row `first`. Raises DataError for a lone one."""
    if isinstance(signals, np.ndarray) and signals.shape[1:] == (1,):
        raise DataError(
            f"data file {path!r} has one sample in each row, and a row is to be a sound: save one alone as array[None]"
        )
    if isinstance(signals, RaggedArray):
        ends = zip(signals.offsets[:-1].tolist(), signals.offsets[1:].tolist(), strict=True)
        rows: Iterable[Array] = (signals.values[start:stop] for start, stop in ends)
    else:
        rows = signals
    return MediaFiles(
        tuple(
            Recording(row, rate, f"the sound in {row_at(number)} of {path!r}") for number, row in enumerate(rows, first)
        ),
        SOUNDS,
        unreadable,
    )


def named(item: str | Clip | Recording) -> str:
    """A file, or a part of one, for messages."""
    if isinstance(item, Recording):
        return item.name
    return repr(item) if isinstance(item, str) else f"{item.file!r} from {item.start:g} s on"
