"""Files as people name them for a model: files, folders and patterns."""

import glob
import os
from collections.abc import Callable, Sequence

import numpy as np

from dist_bp.data.class_folders import ClassFolder, FileKind, listing, read_classes, split_folders
from dist_bp.data.media.files import MediaFiles
from dist_bp.data.media.medium import medium_of
from dist_bp.data.media.tables import is_table
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.tables.rows import Rows
from dist_bp.errors import DataError
from dist_bp.types import Array

FILE = "file"
"""The column of predictions that names the file."""


def file_rows(pipeline: Pipeline, names: Sequence[str]) -> Rows:
    """The images or sounds of files, of folders and all folders in them, and of patterns such as *.png.

    Raises DataError for names without any.
    """
    kind = kind_of(pipeline)
    return _named(_given(names, kind), kind, None)


def labelled_rows(
    pipeline: Pipeline, folder: str, read: Callable[[str, FileKind], ClassFolder] = read_classes
) -> tuple[Rows, list[str]]:
    """The images or sounds of a folder with their classes, as `read` finds them, and a line for each class that has
    none or is unknown to the model.

    Raises DataError for what is no such folder.
    """
    kind = kind_of(pipeline)
    if is_table(folder):
        raise DataError(f"data file {folder!r} {_no_table(kind)}, in a folder for each class")
    if splits := split_folders(folder, kind):
        raise DataError(f"the folder {folder!r} has splits: name one, such as {list(splits.values())[-1]!r}")
    found = read(folder, kind)
    known = {str(name) for name in pipeline.classes or ()}
    strange = [name for name in found.classes if name not in known]
    problems = [f"the class {name!r} of {folder!r} is none that the model knows" for name in strange]
    return _named(found.paths, kind, np.array(found.labels)), [*found.problems, *problems]


def kind_of(pipeline: Pipeline) -> FileKind:
    """What the files of a model hold that decodes them."""
    assert pipeline.decoder
    return medium_of(pipeline.decoder.many).kind


def _no_table(kind: FileKind) -> str:
    one, many = kind.noun, kind.many
    return f"is a table, and the model has learnt from {one} files that no table named: give the {many}"


def _given(names: Sequence[str], kind: FileKind) -> list[str]:
    paths: list[str] = []
    problems = []
    for name in names:
        if os.path.isdir(name):
            try:
                found = list(listing(name, kind).files)
            except OSError as error:
                problems.append(f"the folder {error.filename or name!r} cannot be read: {error.strerror}")
                continue
            if not found:
                problems.append(f"the folder {name!r} has no {kind.many} ({', '.join(kind.suffixes)})")
        elif is_table(name):
            problems.append(f"data file {name!r} {_no_table(kind)}")
            continue
        elif glob.has_magic(name) and not os.path.lexists(name):
            found = sorted(path for path in glob.glob(name, recursive=True) if kind.has(path))
            if not found:
                problems.append(f"no {kind.noun} has a name like {name!r}")
        else:
            found = [name]
        paths += found
    if problems:
        raise DataError(problems)
    return paths


def _named(paths: Sequence[str], kind: FileKind, targets: Array | None) -> Rows:
    import pandas as pd

    files = pd.Series(list(map(_printable, paths)), dtype="string")
    return Rows(MediaFiles(tuple(paths), kind), targets, files=files)


def _printable(path: str) -> str:
    """A path as text, bytes that are no UTF-8 as \\xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
