"""A folder of images with a folder for each class, and what may be wrong with it."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from dist_bp.data.formats import TABLES, format_of
from dist_bp.data.images.files import folders, hidden, is_text, listing
from dist_bp.errors import DataError
from dist_bp.images.suffixes import SUFFIXES, is_image
from dist_bp.messages import plural

SHOWN = 3
TRAIN, VALIDATION, TEST = ("train", "training"), ("val", "valid", "validation"), ("test",)
"""What the folders of splits are called."""


@dataclass(frozen=True)
class ClassFolder:
    """The images of one folder: `classes` are the names of its folders, `images` those in each, sorted.

    `others` are files that are no images by their suffix.
    """

    path: str
    classes: tuple[str, ...]
    images: tuple[tuple[str, ...], ...]
    others: tuple[str, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for some in self.images for path in some)

    @property
    def problems(self) -> list[str]:
        """A line for each class without images."""
        suffixes = ", ".join(SUFFIXES)
        return [
            f"the class {name!r} of {self.path!r} has no images ({suffixes}): remove it"
            for name, some in zip(self.classes, self.images, strict=True)
            if not some
        ]

    @property
    def labels(self) -> list[str]:
        """The class of each of `paths`."""
        return [name for name, some in zip(self.classes, self.images, strict=True) for _ in some]


def read_classes(path: str) -> ClassFolder:
    """Raises DataError for a folder without classes, or with names that are no text."""
    try:
        names = folders(path)
        found = [listing(os.path.join(path, name)) for name in names]
        loose = [entry.path for entry in os.scandir(path) if entry.is_file() and not entry.name.startswith(".")]
    except OSError as error:
        where = error.filename or path
        raise DataError(f"the folder {where!r} cannot be read: {error.strerror}") from error
    if not names:
        raise DataError(f"the folder {path!r} has no folders in it: put the images of each class into one of its name")
    if strange := [name for name in names if not is_text(name)]:
        raise DataError([f"the folder {name!r} of {path!r} has a name that is no text: rename it" for name in strange])
    others = sorted([*loose, *(other for some in found for other in some.others)])
    return ClassFolder(path, tuple(names), tuple(some.images for some in found), tuple(others))


def split_folders(path: str) -> dict[str, str]:
    """The folders of a folder by split, where it has one for training; empty where it has folders of classes.

    Raises DataError where it cannot be told, or is no folder.
    """
    if not os.path.isdir(path):
        file = "is a file: name the folder that holds one for each class"
        raise DataError(
            f"the folder {path!r} {file if os.path.exists(path) else f'was not found (looked in {os.getcwd()})'}"
        )
    try:
        names = folders(path)
    except OSError as error:
        raise DataError(f"the folder {path!r} cannot be read: {error.strerror}") from error
    kinds = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    found = {kind: [name for name in names if name.lower() in known] for kind, known in kinds.items()}
    if not found["train"]:
        _refuse_splits(path, names, [name for some in found.values() for name in some])
        return {}
    doubled = [some for some in found.values() if len(some) > 1]
    strangers = [name for name in names if not any(name in some for some in found.values())]
    if doubled or strangers:
        which = doubled[0] if doubled else [found["train"][0], strangers[0]]
        raise DataError(
            f"the folder {path!r} holds {which[0]!r} and {which[1]!r}: it must hold a folder for each class, or train "
            "and test with a folder for each class"
        )
    return {kind: os.path.join(path, some[0]) for kind, some in found.items() if some}


def _refuse_splits(path: str, names: Sequence[str], splits: Sequence[str]) -> None:
    """Raises DataError where folders, none of them for training, look like `splits` and not like classes."""
    if splits:
        raise DataError(
            f"the folder {path!r} holds {splits[0]!r} and no 'train': put the classes to train on into 'train', or "
            f"give a class of the name {splits[0]!r} another one"
        )
    try:
        within = {tuple(folders(os.path.join(path, name))) for name in names}
        alike = len(names) > 1 and len(within) == 1 and within != {()}
        if not alike or any(_holds_images(os.path.join(path, name)) for name in names):
            return
    except OSError as error:
        raise DataError(f"the folder {error.filename or path!r} cannot be read: {error.strerror}") from error
    raise DataError(
        f"the folders {_shown(names)} of {path!r} all hold {_shown(within.pop())} and no images beside: call them "
        "train, val and test if they are splits, or put the images of each class into its folder itself"
    )


def _holds_images(path: str) -> bool:
    with os.scandir(path) as entries:
        return any(is_image(entry.name) and not hidden(entry.name) for entry in entries)


def strangers(train: ClassFolder, other: ClassFolder) -> list[str]:
    """A line for each class of another folder that the training folder has not."""
    return [
        f"{other.path!r} has the class {name!r}, which {train.path!r} has not: remove it, or add images to train on"
        for name in other.classes
        if name not in train.classes
    ]


def ignored(folder: Sequence[ClassFolder]) -> list[str]:
    """A note on files that are no images by their suffix, if there are any."""
    others = [other for one in folder for other in one.others]
    if not others:
        return []
    tables = " (labels in a table are read with type: csv and images)" if any(map(is_table, others)) else ""
    return [f"{plural(len(others), 'file')} without the suffix of an image passed over: {_shown(others)}{tables}"]


def is_table(path: str) -> bool:
    """Whether the suffix of a file says that it is a table."""
    return format_of(path) in TABLES and not path.lower().endswith(".txt")


def tables_instead(path: str) -> list[str]:
    """How a table is read that is named as the folder, or lies in one that holds no others: a line, if there is one."""
    inside = [path]
    with suppress(OSError):
        if os.path.isdir(path):
            inside = [] if folders(path) else sorted(entry.path for entry in os.scandir(path))
    return [
        f"{table!r} is a table: where it says the class of each image, read it with data.source: "
        f"{{type: {format_of(table)}, path: {table}, images: COLUMN, target: COLUMN}}"
        for table in inside
        if is_table(table)
    ][:1]


def _shown(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
