"""Texts as people name them for a model: files of lines, and texts themselves."""

import os
from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from dist_bp.data.checks import Problems
from dist_bp.data.class_folders import listing, read_classes, split_folders
from dist_bp.data.inputs import chunks
from dist_bp.data.media.given import FILE
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.sources.lines import LinesSource, numbered
from dist_bp.data.sources.text_folder import TEXTS, TextFolderSource
from dist_bp.data.tables.rows import Rows
from dist_bp.data.text.reading import text_lines, whole
from dist_bp.errors import DataError
from dist_bp.types import Array

AT_A_TIME = 4096
FILES_AT_A_TIME = 256
NAME = "text"
"""The column of predictions that holds the text."""


def text_column(pipeline: Pipeline) -> str | None:
    """The column of a model that takes one text and nothing else."""
    only = pipeline.only
    return only.text[0] if only and len(only.text) == 1 and only.names == only.text else None


def given_texts(pipeline: Pipeline, texts: Sequence[str]) -> Iterator[Rows]:
    """Texts for a model that takes one each; raises DataError where it takes something else."""
    if (column := text_column(pipeline)) is None:
        raise DataError("the model does not take a text alone: give its rows in a file")
    return _rows(column, texts, None)


def line_rows(pipeline: Pipeline, path: str, encoding: str) -> Iterator[Rows]:
    """The lines of a file, a text each; raises DataError."""
    column = text_column(pipeline)
    assert column
    texts, first = (line for _, line in numbered(text_lines(path, encoding))), 0
    while some := [*islice(texts, AT_A_TIME)]:
        yield from _rows(column, some, None, first=first)
        first += len(some)


def labelled_line_rows(pipeline: Pipeline, source: LinesSource, path: str) -> Iterator[Rows]:
    """The lines of a file with their labels, as a source has them; raises DataError."""
    column, samples = text_column(pipeline), source.samples(path)
    assert column
    return _rows(column, list(samples.inputs.iloc[:, 0]), samples.targets)


def file_rows(pipeline: Pipeline, source: TextFolderSource, names: Sequence[str]) -> Iterator[Rows]:
    """The texts of files, and of all files in folders, one each; raises DataError."""
    paths: list[str] = []
    problems = Problems()
    for name in names:
        with problems.collected():
            paths += _files_of(name) if os.path.isdir(name) else [name]
    problems.check()
    return _of_files(pipeline, source, tuple(paths), None)


def labelled_file_rows(pipeline: Pipeline, source: TextFolderSource, folder: str) -> Iterator[Rows]:
    """The texts of a folder with a folder for each class, and their classes; raises DataError."""
    if splits := split_folders(folder, TEXTS):
        raise DataError(f"the folder {folder!r} has splits: name one, such as {list(splits.values())[-1]!r}")
    found = read_classes(folder, TEXTS)
    return _of_files(pipeline, source, found.paths, np.array(found.labels))


def _files_of(folder: str) -> tuple[str, ...]:
    try:
        found = listing(folder, TEXTS).files
    except OSError as error:
        raise DataError(f"the folder {error.filename or folder!r} cannot be read: {error.strerror}") from error
    if not found:
        raise DataError(f"the folder {folder!r} has no texts ({', '.join(TEXTS.suffixes)})")
    return found


def _of_files(
    pipeline: Pipeline, source: TextFolderSource, paths: tuple[str, ...], targets: Array | None
) -> Iterator[Rows]:
    column = text_column(pipeline)
    assert column
    for rows in chunks(np.arange(len(paths)), FILES_AT_A_TIME):
        some = paths[rows[0] : rows[-1] + 1]
        labels = None if targets is None else targets[rows]
        yield from _rows(column, source.texts(some), labels, some, int(rows[0]))


def _rows(
    column: str, texts: Sequence[str], targets: Array | None, names: Sequence[str] | None = None, first: int = 0
) -> Iterator[Rows]:
    """Texts from row `first` of what they are from, called by `names`, or by themselves."""
    import pandas as pd

    for rows in chunks(np.arange(len(texts)), AT_A_TIME):
        start, stop = int(rows[0]), int(rows[-1]) + 1
        some = pd.Series(list(texts[start:stop]), dtype=object)
        called = [whole(name) for name in (names or texts)[start:stop]]
        ids = pd.Series(called, dtype="string", name=FILE if names else NAME)
        labels = None if targets is None else targets[start:stop]
        yield Rows(pd.DataFrame({column: some}), labels, ids, (first + start).__add__)
