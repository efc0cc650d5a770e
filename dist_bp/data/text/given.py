"""Texts as people name them for a model: files of lines, and texts themselves."""

from collections.abc import Iterator, Sequence

import numpy as np

from dist_bp.data.inputs import chunks
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.sources.base import Source
from dist_bp.data.sources.lines import LinesSource, numbered
from dist_bp.data.tables.rows import Rows
from dist_bp.data.text.reading import text_lines, whole
from dist_bp.errors import DataError
from dist_bp.types import Array

AT_A_TIME = 4096
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


def line_rows(pipeline: Pipeline, source: Source | None, path: str, encoding: str) -> Iterator[Rows]:
    """The lines of a file, a text each; labels as of a source of lines are passed over. Raises DataError."""
    column = text_column(pipeline)
    assert column
    if isinstance(source, LinesSource):
        texts = source.unlabelled(path, pipeline.classes or ())
    else:
        texts = [line for _, line in numbered(text_lines(path, encoding))]
    return _rows(column, texts, None)


def labelled_line_rows(pipeline: Pipeline, source: LinesSource, path: str) -> Iterator[Rows]:
    """The lines of a file with their labels, as a source has them; raises DataError."""
    column, samples = text_column(pipeline), source.samples(path)
    assert column
    return _rows(column, list(samples.inputs.iloc[:, 0]), samples.targets)


def _rows(column: str, texts: Sequence[str], targets: Array | None) -> Iterator[Rows]:
    import pandas as pd

    for rows in chunks(np.arange(len(texts)), AT_A_TIME):
        start, stop = int(rows[0]), int(rows[-1]) + 1
        some = pd.Series(list(texts[start:stop]), dtype=object)
        names = pd.Series([whole(text) for text in some], dtype="string")
        yield Rows(pd.DataFrame({column: some}), None if targets is None else targets[start:stop], names, start.__add__)
