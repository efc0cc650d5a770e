"""Image files as raw inputs: found in folders, known by what they hold."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

from dist_bp.data.inputs import Raw, is_named
from dist_bp.images.suffixes import is_image

Unreadable = Literal["error", "skip"]


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


@dataclass(frozen=True)
class Listing:
    """Images below a folder, sorted, and files of other kinds; hidden ones are passed over.

    Links to folders are followed, and each folder is read once.
    """

    images: tuple[str, ...]
    others: tuple[str, ...]


def listing(folder: str) -> Listing:
    """Raises OSError where the folder cannot be read."""
    images: list[str] = []
    others: list[str] = []
    for path in _files(folder):
        (images if is_image(path) else others).append(path)
    return Listing(tuple(images), tuple(others))


def folders(path: str) -> list[str]:
    """Names of the folders within one, sorted, without hidden ones. Raises OSError."""
    with os.scandir(path) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not hidden(entry.name))


def is_text(name: str) -> bool:
    """Whether the name of a file is text, and not bytes of another encoding."""
    return not any("\ud800" <= letter <= "\udfff" for letter in name)


def hidden(name: str) -> bool:
    return name.startswith(".")


def _files(folder: str) -> Iterator[str]:
    def refuse(error: OSError) -> None:
        raise error

    seen = set()
    for root, names, files in os.walk(folder, onerror=refuse, followlinks=True):
        status = os.stat(root)
        if (place := (status.st_dev, status.st_ino)) in seen:
            names.clear()
            continue
        seen.add(place)
        names[:] = sorted(name for name in names if not hidden(name))
        yield from (os.path.join(root, name) for name in sorted(files) if not hidden(name))
