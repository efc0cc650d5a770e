"""A folder of files with a folder for each class, and what may be wrong with it."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dist_bp.errors import DataError
from dist_bp.messages import plural

SHOWN = 3
TRAIN, VALIDATION, TEST = ("train", "training"), ("val", "valid", "validation"), ("test",)
"""What the folders of splits are called."""


@dataclass(frozen=True)
class FileKind:
    """What files hold, in the words of a message, and the suffixes that say so."""

    one: str
    many: str
    suffixes: tuple[str, ...]

    @property
    def noun(self) -> str:
        """Without its article."""
        return self.one.partition(" ")[2]

    def has(self, name: str) -> bool:
        """Whether the suffix of a file says that it is of this kind."""
        return name.lower().endswith(self.suffixes)


@dataclass(frozen=True)
class Listing:
    """Files of a kind below a folder, sorted, and those of other kinds; hidden ones are passed over.

    Links to folders are followed, and each folder is read once.
    """

    files: tuple[str, ...]
    others: tuple[str, ...]


def listing(folder: str, kind: FileKind) -> Listing:
    """Raises OSError where the folder cannot be read."""
    files: list[str] = []
    others: list[str] = []
    for path in _files(folder):
        (files if kind.has(path) else others).append(path)
    return Listing(tuple(files), tuple(others))


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


@dataclass(frozen=True)
class ClassFolder:
    """The files of one folder: `classes` are the names of its folders, `files` those of `kind` in each, sorted.

    `others` are files of another kind by their suffix.
    """

    path: str
    classes: tuple[str, ...]
    files: tuple[tuple[str, ...], ...]
    others: tuple[str, ...]
    kind: FileKind

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for some in self.files for path in some)

    @property
    def problems(self) -> list[str]:
        """A line for each class without files of the kind."""
        what = f"{self.kind.many} ({', '.join(self.kind.suffixes)})"
        return [
            f"the class {name!r} of {self.path!r} has no {what}: remove it"
            for name, some in zip(self.classes, self.files, strict=True)
            if not some
        ]

    @property
    def labels(self) -> list[str]:
        """The class of each of `paths`."""
        return [name for name, some in zip(self.classes, self.files, strict=True) for _ in some]


def read_classes(path: str, kind: FileKind) -> ClassFolder:
    """Raises DataError for a folder without classes, with names that are no text, or with one folder for several
    classes."""
    try:
        names = folders(path)
        found = [listing(os.path.join(path, name), kind) for name in names]
        loose = [entry.path for entry in os.scandir(path) if entry.is_file() and not entry.name.startswith(".")]
    except OSError as error:
        where = error.filename or path
        raise DataError(f"the folder {where!r} cannot be read: {error.strerror}") from error
    if not names:
        remedy = f"put the {kind.many} of each class into one of its name"
        raise DataError(f"the folder {path!r} has no folders in it: {remedy}")
    if strange := [name for name in names if not is_text(name)]:
        raise DataError([f"the folder {name!r} of {path!r} has a name that is no text: rename it" for name in strange])
    if doubled := _doubled(path, names):
        raise DataError(doubled)
    others = sorted([*loose, *(other for some in found for other in some.others)])
    return ClassFolder(path, tuple(names), tuple(some.files for some in found), tuple(others), kind)


def _doubled(path: str, names: Sequence[str]) -> list[str]:
    """A line for each of the folders that is the same as one before it, by a link. Raises OSError."""
    first: dict[tuple[int, int], str] = {}
    problems = []
    for name in names:
        status = os.stat(os.path.join(path, name))
        same = first.setdefault((status.st_dev, status.st_ino), name)
        if same != name:
            problems.append(f"the folders {same!r} and {name!r} of {path!r} are one and the same: remove the link")
    return problems


def split_folders(path: str, kind: FileKind) -> dict[str, str]:
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
        doubled = _doubled(path, names)
    except OSError as error:
        raise DataError(f"the folder {path!r} cannot be read: {error.strerror}") from error
    if doubled:
        raise DataError(doubled)
    kinds = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
    found = {kind: [name for name in names if name.lower() in known] for kind, known in kinds.items()}
    if not found["train"]:
        _refuse_splits(path, kind, names, [name for some in found.values() for name in some])
        return {}
    several = [some for some in found.values() if len(some) > 1]
    strangers = [name for name in names if not any(name in some for some in found.values())]
    if several or strangers:
        which = several[0] if several else [found["train"][0], strangers[0]]
        raise DataError(
            f"the folder {path!r} holds {which[0]!r} and {which[1]!r}: it must hold a folder for each class, or train "
            "and test with a folder for each class"
        )
    return {kind: os.path.join(path, some[0]) for kind, some in found.items() if some}


def _refuse_splits(path: str, kind: FileKind, names: Sequence[str], splits: Sequence[str]) -> None:
    """Raises DataError where folders, none of them for training, look like `splits` and not like classes."""
    if splits:
        raise DataError(
            f"the folder {path!r} holds {splits[0]!r} and no 'train': put the classes to train on into 'train', or "
            f"give a class of the name {splits[0]!r} another one"
        )
    try:
        within = {tuple(folders(os.path.join(path, name))) for name in names}
        alike = len(names) > 1 and len(within) == 1 and within != {()}
        if not alike or any(_holds(os.path.join(path, name), kind) for name in names):
            return
    except OSError as error:
        raise DataError(f"the folder {error.filename or path!r} cannot be read: {error.strerror}") from error
    raise DataError(
        f"the folders {_shown(names)} of {path!r} all hold {_shown(within.pop())} and no {kind.many} beside: call them "
        f"train, val and test if they are splits, or put the {kind.many} of each class into its folder itself"
    )


def _holds(path: str, kind: FileKind) -> bool:
    with os.scandir(path) as entries:
        return any(kind.has(entry.name) and not hidden(entry.name) for entry in entries)


def strangers(train: ClassFolder, other: ClassFolder) -> list[str]:
    """A line for each class of another folder that the training folder has not."""
    remedy = f"remove it, or add {train.kind.many} to train on"
    return [
        f"{other.path!r} has the class {name!r}, which {train.path!r} has not: {remedy}"
        for name in other.classes
        if name not in train.classes
    ]


def read_splits(
    path: str,
    test_path: str | None,
    kind: FileKind,
    read: Callable[[str, FileKind], ClassFolder] = read_classes,
) -> dict[str, ClassFolder]:
    """The classes of a folder by split, all of them "train" where it has no folders of splits; `test_path` is another
    folder with the test set, `read` reads one. Raises DataError."""
    paths = split_folders(path, kind) or {"train": path}
    if test_path is not None:
        if "test" in paths:
            raise DataError(f"data.source.test_path is given, and {path!r} has a test folder of its own")
        paths["test"] = test_path
        split_folders(test_path, kind)
    found: dict[str, ClassFolder] = {}
    problems: list[str] = []
    for split, folder in paths.items():
        try:
            found[split] = read(folder, kind)
        except DataError as error:
            problems += error.problems
    if problems:
        raise DataError(problems)
    return found


def problems_of(folders: Mapping[str, ClassFolder]) -> list[str]:
    """A line for each class without files, and for each that the training folder has not."""
    problems = [line for one in folders.values() for line in one.problems]
    return problems + [line for one in folders.values() for line in strangers(folders["train"], one)]


def own_validation(folders: Mapping[str, ClassFolder]) -> list[str]:
    """A line where the validation set is a folder of its own."""
    if "validation" not in folders:
        return []
    return [f"{folders['validation'].path!r} is the validation set: data.split.validation has no effect"]


def ignored(folders: Sequence[ClassFolder], more: str = "") -> list[str]:
    """A note on files of other kinds by their suffix, if there are any, and `more` of it."""
    others = [other for one in folders for other in one.others]
    if not others:
        return []
    of_kind = folders[0].kind.one
    return [f"{plural(len(others), 'file')} without the suffix of {of_kind} passed over: {_shown(others)}{more}"]


def _shown(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
