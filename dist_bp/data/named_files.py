"""A folder of files whose names tell their classes, or which of them are the test set."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from dist_bp.data.class_folders import ClassFolder, FileKind, is_text, listing
from dist_bp.data.patterns import Groups, matched, named_groups
from dist_bp.errors import DataError, OptionError

LABEL = "label"
SHOWN = 5


def check_pattern(option: str, pattern: str | None, label: bool = False) -> None:
    """Raises OptionError for what is no regular expression, or lacks the group `label` where it must have it."""
    if pattern is None:
        return
    groups = named_groups(option, pattern)
    if label and LABEL not in groups:
        raise OptionError(option, f"must have the group (?P<{LABEL}>...), has {', '.join(groups) or 'none'}")


def read_named(path: str, kind: FileKind, pattern: str) -> ClassFolder:
    """The files of a folder, and of all folders in it, by the group `label` of their names from the folder on; raises
    DataError, naming the first files that are not called as the pattern says."""
    try:
        found = listing(path, kind)
    except OSError as error:
        raise DataError(f"the folder {error.filename or path!r} cannot be read: {error.strerror}") from error
    if not found.files:
        raise DataError(f"the folder {path!r} has no {kind.many} ({', '.join(kind.suffixes)})")
    classes: dict[str, list[str]] = {}
    strange = []
    for file, groups in zip(found.files, _matched("pattern", pattern, path, found.files), strict=True):
        label = groups.get(LABEL) if groups else None
        if label and is_text(label):
            classes.setdefault(label, []).append(file)
        else:
            strange.append(f"{kind.noun} file {file!r} is not called as data.source.pattern says")
    if len(strange) > SHOWN:
        strange = [*strange[:SHOWN], f"{len(strange) - SHOWN:,} more files are like these"]
    if strange:
        raise DataError(strange)
    names = sorted(classes)
    return ClassFolder(path, tuple(names), tuple(tuple(classes[name]) for name in names), found.others, kind)


def _matched(option: str, pattern: str, folder: str, files: Sequence[str]) -> list[Groups | None]:
    names = [os.path.relpath(file, folder) for file in files]
    return matched(f"data.source.{option}", pattern, names, lambda place: f"the file {files[place]!r}")


def without_matches(folders: Mapping[str, ClassFolder], pattern: str) -> dict[str, ClassFolder]:
    """The folders with a test set of those training files whose names, from the folder on, are as the pattern says.

    Raises DataError where there is a test set already, or where none or all are so called.
    """
    train = folders["train"]
    if "test" in folders:
        raise DataError("data.source.test_pattern is given, and there is a test folder: give one of the two")
    found = _matched("test_pattern", pattern, train.path, train.paths)
    matching = {path for path, groups in zip(train.paths, found, strict=True) if groups is not None}
    if len(matching) in (0, len(train.paths)):
        which = "all" if matching else "none"
        raise DataError(f"data.source.test_pattern: {which} of the {len(train.paths):,} files are so called")
    parts = {
        split: tuple(tuple(path for path in some if (path in matching) == held) for some in train.files)
        for split, held in (("train", False), ("test", True))
    }
    present = [place for place, some in enumerate(parts["test"]) if some]
    test = replace(
        train,
        classes=tuple(train.classes[place] for place in present),
        files=tuple(parts["test"][place] for place in present),
        others=(),
    )
    return {**folders, "train": replace(train, files=parts["train"]), "test": test}
