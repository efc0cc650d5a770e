"""Image files as people name them for a model: files, folders and patterns."""

import glob
import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing

import numpy as np

from dist_bp.data.checks import Problems
from dist_bp.data.images.files import listing
from dist_bp.data.images.folder import is_table, read_classes, split_folders
from dist_bp.data.images.raw import Pixels
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.tables.rows import Rows
from dist_bp.errors import DataError
from dist_bp.images.suffixes import SUFFIXES, is_image

FILE = "file"
"""The column of predictions that names the image."""
NO_TABLE = "is a table, and the model has learnt from image files that no table named: give the images"


def image_rows(pipeline: Pipeline, names: Sequence[str]) -> Iterator[Rows]:
    """The images of files, of folders and all folders in them, and of patterns such as *.png, a block at a time.

    Raises DataError for names without images, and for images that cannot be read or are not as in training.
    """
    return _decoded(pipeline, _given(names), None)


def labelled_rows(pipeline: Pipeline, folder: str) -> Iterator[Rows]:
    """The images of a folder with a folder for each class, and their classes; raises DataError."""
    if is_table(folder):
        raise DataError(f"data file {folder!r} {NO_TABLE}, in a folder for each class")
    if splits := split_folders(folder):
        raise DataError(f"the folder {folder!r} has splits: name one, such as {list(splits.values())[-1]!r}")
    found = read_classes(folder)
    known = {str(name) for name in pipeline.classes or ()}
    if strange := [name for name in found.classes if name not in known]:
        raise DataError([f"the class {name!r} of {folder!r} is none that the model knows" for name in strange])
    return _decoded(pipeline, found.paths, found.labels)


def _given(names: Sequence[str]) -> list[str]:
    paths: list[str] = []
    problems = []
    for name in names:
        if os.path.isdir(name):
            try:
                found = list(listing(name).images)
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


def decoded_images(pipeline: Pipeline, paths: Sequence[str]) -> Pixels:
    """All of them at once; raises DataError."""
    assert pipeline.only
    none = np.empty((0, *pipeline.only.shape), np.uint8)
    return Pixels(np.concatenate([none, *(block.array for block in _blocks(pipeline, paths))]))


def _decoded(pipeline: Pipeline, paths: Sequence[str], labels: Sequence[str] | None) -> Iterator[Rows]:
    import pandas as pd

    start = 0
    with closing(_blocks(pipeline, paths)) as blocks:
        for pixels in blocks:
            stop = start + len(pixels)
            targets = None if labels is None else np.array(labels[start:stop])
            names = [_printable(path) for path in paths[start:stop]]
            yield Rows(pixels, targets, pd.Series(names, dtype="string"), start.__add__)
            start = stop


def _printable(path: str) -> str:
    """A path as text, bytes that are no UTF-8 as \\xff."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def _blocks(pipeline: Pipeline, paths: Sequence[str]) -> Generator[Pixels]:
    from dist_bp.images.decoder import check_alike
    from dist_bp.images.files import decode_files

    assert pipeline.decoder
    assert pipeline.only
    start = 0
    with closing(decode_files(pipeline.decoder, paths)) as blocks:
        for block in blocks:
            pixels, problems = np.empty((len(block), *pipeline.only.shape), np.uint8), Problems()
            for place, one in enumerate(block):
                with problems.collected():
                    pixels[place] = check_alike(one, pipeline.only.shape, f"image file {paths[start + place]!r}")
            problems.check()
            yield Pixels(pixels)
            start += len(block)
