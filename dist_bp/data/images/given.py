"""Image files as people name them for a model: files, folders and patterns."""

import glob
import os
from collections.abc import Sequence

import numpy as np

from dist_bp.data.class_folders import listing, read_classes, split_folders
from dist_bp.data.images.files import IMAGES, ImageFiles
from dist_bp.data.images.folder import is_table
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.tables.rows import Rows
from dist_bp.errors import DataError
from dist_bp.images.suffixes import SUFFIXES, is_image
from dist_bp.types import Array

FILE = "file"
"""The column of predictions that names the image."""
NO_TABLE = "is a table, and the model has learnt from image files that no table named: give the images"


def image_rows(names: Sequence[str]) -> Rows:
    """The images of files, of folders and all folders in them, and of patterns such as *.png.

    Raises DataError for names without images.
    """
    return _named(_given(names), None)


def labelled_rows(pipeline: Pipeline, folder: str) -> tuple[Rows, list[str]]:
    """The images of a folder with a folder for each class, with their classes, and a line for each that has no images
    or is unknown to the model.

    Raises DataError for what is no such folder.
    """
    if is_table(folder):
        raise DataError(f"data file {folder!r} {NO_TABLE}, in a folder for each class")
    if splits := split_folders(folder, IMAGES):
        raise DataError(f"the folder {folder!r} has splits: name one, such as {list(splits.values())[-1]!r}")
    found = read_classes(folder, IMAGES)
    known = {str(name) for name in pipeline.classes or ()}
    strange = [name for name in found.classes if name not in known]
    problems = [f"the class {name!r} of {folder!r} is none that the model knows" for name in strange]
    return _named(found.paths, np.array(found.labels)), [*found.problems, *problems]


def _given(names: Sequence[str]) -> list[str]:
    paths: list[str] = []
    problems = []
    for name in names:
        if os.path.isdir(name):
            try:
                found = list(listing(name, IMAGES).files)
            except OSError as error:
                problems.append(f"the folder {error.filename or name!r} cannot be read: {error.strerror}")
                continue
            if not found:
                problems.append(f"the folder {name!r} has no images ({', '.join(SUFFIXES)})")
        elif is_table(name):
            problems.append(f"data file {name!r} {NO_TABLE}")
            continue
        elif glob.has_magic(name) and not os.path.lexists(name):
            found = sorted(path for path in glob.glob(name, recursive=True) if is_image(path))
            if not found:
                problems.append(f"no image has a name like {name!r}")
        else:
            found = [name]
        paths += found
    if problems:
        raise DataError(problems)
    return paths


def _named(paths: Sequence[str], targets: Array | None) -> Rows:
    import pandas as pd

    return Rows(ImageFiles(tuple(paths)), targets, pd.Series(list(map(_printable, paths)), dtype="string"))


def _printable(path: str) -> str:
    """A path as text, bytes that are no UTF-8 as \\xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
