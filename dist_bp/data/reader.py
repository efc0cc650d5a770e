"""Files for a trained model, read as its own data was: raw inputs in blocks, with targets where they are wanted."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from dist_bp.data.class_folders import read_classes
from dist_bp.data.csv_options import form_of
from dist_bp.data.formats import ARRAYS, SUFFIXES, TABLES, format_of
from dist_bp.data.inputs import ONLY, by_name, part_of, samples_of
from dist_bp.data.media.files import SOUNDS, recordings
from dist_bp.data.media.given import FILE, kind_of, labelled_rows
from dist_bp.data.media.given import file_rows as media_rows
from dist_bp.data.media.new import REFUSED, NewFiles, decoded_rows
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.samples import SampleStore
from dist_bp.data.sources.arrays import read_npy
from dist_bp.data.sources.base import Samples, Source, described
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.function import WEIGHTS
from dist_bp.data.sources.idx import IdxSource, read_idx, read_labels
from dist_bp.data.sources.json_lines import JsonLinesSource
from dist_bp.data.sources.lines import LABEL, LinesSource, shown
from dist_bp.data.sources.media_folder import MediaFolderSource
from dist_bp.data.sources.npy import NpySource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.data.sources.table import TableSource
from dist_bp.data.sources.text import TextSource
from dist_bp.data.sources.text_folder import TextFolderSource
from dist_bp.data.tables.csv import suffix_of
from dist_bp.data.tables.given import GivenTables
from dist_bp.data.tables.rows import Rows
from dist_bp.data.text.given import (
    NAME,
    file_rows,
    labelled_file_rows,
    labelled_line_rows,
    line_rows,
    text_column,
)
from dist_bp.data.text.long import LongText, some_stretches
from dist_bp.errors import DataError, UserError
from dist_bp.types import Array

LINES = ".txt"
BLOCK_BYTES = 2**24
KINDS: dict[Any, str] = {
    CsvSource: "csv",
    ParquetSource: "parquet",
    JsonLinesSource: "json_lines",
    LinesSource: "lines",
    TextSource: "lines",
    NpySource: "npy",
    NpzSource: "npz",
    IdxSource: "idx",
}


class Reader:
    """Reads csv, parquet, json lines, npy, npz and idx for a model that was trained on `source`, images for one of
    images, sounds for one of sounds, and lines of text for one of text.

    The suffix of a file tells its format, and where it tells none it is that of the source. `csv` are options of a
    text file that is written otherwise than the source, such as "decimal=,". Raises UserError where there is no such
    option. `new` says how files of images and sounds are read. `weights` is the column or array that the source takes
    them from, `id_column` that which names rows. `labelled`: lines begin with labels that are no part of the text;
    `notes` are on what was read.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        source: Source | None = None,
        csv: Sequence[str] = (),
        new: NewFiles = REFUSED,
        labelled: bool = False,
    ) -> None:
        if labelled and not isinstance(source, LinesSource):
            raise UserError("--labelled is for models that were trained on lines with labels")
        self._pipeline, self._new = pipeline, new
        self._source, self._labelled = source, labelled
        self.notes: list[str] = []
        self._rate = new.rate or (source.rate if isinstance(source, NpySource | NpzSource) else None)
        self._form = form_of(source, csv)
        self.weights = _weights_of(pipeline, source)
        table = source if isinstance(source, TableSource) else None
        self._tables = GivenTables(pipeline, table, self._form, self.weights)
        self.id_column = self._tables.ids or (FILE if pipeline.decoder else None)
        if text_column(pipeline) and table is None:
            self.id_column = FILE if isinstance(source, TextFolderSource) else NAME

    def rows(self, *paths: str) -> Iterator[Rows]:
        """Raw inputs of files of any size, a block at a time, of images and sounds those that are found; raises
        DataError, also where the rows of one file have other names than those of another."""
        if self._pipeline.decoder:
            listing = [path for path in paths if self._lists_samples(path)]
            if not listing:
                return decoded_rows(self._pipeline, [media_rows(self._pipeline, paths)], self._new)
            if other := next((path for path in paths if path not in listing), None):
                one = f"{listing[0]!r} is a table or holds arrays"
                raise DataError(f"{one}, and {other!r} does not: predict them one after the other")
        if isinstance(self._source, TextFolderSource) and all(self._is_of_texts(path) for path in paths):
            return file_rows(self._pipeline, self._source, paths)
        self._check_named_alike(paths)
        return chain.from_iterable(self._blocks(path, None, False, None) for path in paths)

    def _check_named_alike(self, paths: Sequence[str]) -> None:
        """Raises DataError where the predictions of several files would have other columns: one table has one set."""
        if len(paths) < 2:
            return
        first = self._naming(paths[0])
        for path in paths[1:]:
            if (columns := self._naming(path)) != first:
                told = [f"of {one!r} {_named_by(names)}" for one, names in ((paths[0], first), (path, columns))]
                raise DataError(f"the rows {told[0]}, and those {told[1]}: predict them one after the other")

    def _naming(self, path: str) -> list[str]:
        """The columns of predictions that name the rows of a file."""
        kind = self._kind(path)
        if kind == "lines":
            return [NAME]
        if kind not in TABLES:
            return []
        return self._tables.naming(path, kind)

    def scored(self, path: str, labels: str | None = None, target: str | None = None) -> Iterator[Rows]:
        """As `rows`, with their targets, and weights where source and file have them; rows with a missing value are
        dropped where the source drops them.

        Targets are the column `target` of a table (by default the one trained on), an array of the .npz file, or the
        file `labels`. Images are those of a folder with a folder for each class. Raises DataError where there are
        none.
        """
        if self._pipeline.decoder and not self._lists_samples(path):
            folders = self._source if isinstance(self._source, MediaFolderSource) else None
            rows, problems = labelled_rows(self._pipeline, path, folders.classes_in if folders else read_classes)
            return decoded_rows(self._pipeline, [rows], self._new, problems)
        if isinstance(self._source, TextFolderSource) and os.path.isdir(path):
            return labelled_file_rows(self._pipeline, self._source, path)
        return self._blocks(path, labels, True, target or self._pipeline.targets.column)

    @staticmethod
    def _is_of_texts(path: str) -> bool:
        """Whether a path is one of files with a text each, for a model that was trained on such."""
        return os.path.isdir(path) or suffix_of(path) == LINES

    def stretches(self, path: str, rows: int) -> Iterator[SampleStore]:
        """A long text for a language model, with the tokens that follow each other, `rows` samples at a time; raises
        DataError."""
        tokenizer, context = self._pipeline.tokenizer, self._pipeline.context
        assert tokenizer
        assert context
        parts = LongText(path, self._form.encoding, context).blocks()
        return some_stretches(parts, tokenizer, context, rows)

    def _lists_samples(self, path: str) -> bool:
        """Whether a file for a model of images or sounds holds them as arrays, or names them; raises DataError for one
        that is no table where the model takes other columns, too."""
        kind, listed_by, beside = format_of(path), self._tables.listed_by, self._tables.beside
        if listed_by is not None and beside and kind not in TABLES:
            raise DataError(
                f"{path!r} is no table, and the network learnt from the columns {', '.join(beside.names or ())} "
                f"beside the {kind_of(self._pipeline).many}: give a csv or Parquet file with these and {listed_by}"
            )
        if kind in ARRAYS and kind_of(self._pipeline) == SOUNDS and self._rate is None:
            raise DataError(
                f"data file {path!r} holds arrays, which do not say their rate: give it with --rate, or files of sounds"
            )
        return kind in ARRAYS or (kind in TABLES and listed_by is not None)

    def _blocks(self, path: str, labels: str | None, scored: bool, target: str | None) -> Iterator[Rows]:
        kind = self._kind(path)
        blocks = self._raw(path, kind, labels, scored, target)
        signals = kind in ARRAYS and self._pipeline.decoder is not None and kind_of(self._pipeline) == SOUNDS
        if not signals and (self._tables.listed_by is None or kind not in TABLES):
            return blocks
        if signals:
            blocks = self._sounds(path, blocks)
        return decoded_rows(self._pipeline, list(blocks), self._new)

    def _sounds(self, path: str, blocks: Iterator[Rows]) -> Iterator[Rows]:
        """The rows of arrays as sounds, each called by its row."""
        import pandas as pd

        for rows in blocks:
            assert self._rate is not None
            signals, _ = described(rows.inputs, f"data file {path!r}")
            files = pd.Series([f"{path}[{rows.row_of(row)}]" for row in range(len(signals))], dtype="string")
            found = recordings(signals, self._rate, path, rows.row_of(0) if len(signals) else 0)
            yield replace(rows, inputs=found, files=files)

    def _raw(self, path: str, kind: str, labels: str | None, scored: bool, target: str | None) -> Iterator[Rows]:
        """As the file has them: of images or sounds, where they are."""
        given = _labels(labels)
        if kind == "lines":
            blocks = self._lines(path, scored and given is None)
        elif kind in TABLES:
            blocks = self._tables.rows(path, kind, self._rows(), target if scored and given is None else None)
        else:
            blocks = self._arrays(path, kind)
        first = 0
        for rows in blocks:
            targets = rows.targets if given is None else given[first : first + len(rows)]
            first += len(rows)
            if scored and targets is None:
                raise DataError(f"data file {path!r} {self._no_targets(kind)}name their file with --targets")
            yield replace(rows, targets=targets)
        if given is not None and len(given) != first:
            raise DataError(f"data file {path!r} has {first} rows, but {labels!r} has {len(given)} targets")

    def _no_targets(self, kind: str) -> str:
        if kind != "lines":
            return "has no targets: "
        columns = f"{text_column(self._pipeline)!r} and {(self._pipeline.targets.column or LABEL)!r}"
        return f"holds a text in each line, and no targets: give a table with the columns {columns}, or "

    def _rows(self) -> int:
        width = sum(int(np.prod(one.shape)) for one in by_name(self._pipeline.features).values())
        return max(1, BLOCK_BYTES // (8 * max(width, 1)))

    def _kind(self, path: str) -> str:
        if suffix_of(path) == LINES and self._reads_lines:
            return "lines"
        name = Path(path).name
        kind = format_of(path) or ("idx" if re.search(r"idx\d-u?byte", name) else KINDS.get(type(self._source)))
        if kind is None:
            raise DataError(f"data file {path!r}: the format is told by the suffix, one of {', '.join(SUFFIXES)}")
        return kind

    @property
    def _reads_lines(self) -> bool:
        """Whether a file of text holds lines for the model, and not a table."""
        of_table = isinstance(self._source, CsvSource) and suffix_of(self._source.path) == LINES
        return text_column(self._pipeline) is not None and not of_table

    def _lines(self, path: str, scored: bool) -> Iterator[Rows]:
        if not isinstance(self._source, LinesSource):
            return line_rows(self._pipeline, path, self._form.encoding)
        source = replace(self._source, encoding=self._form.encoding)
        if scored or self._labelled:
            labelled = labelled_line_rows(self._pipeline, source, path)
            return labelled if scored else (replace(rows, targets=None) for rows in labelled)
        if first := source.labelled(path, self._pipeline.classes or ()):
            self.notes.append(
                f"all lines of {path!r} begin with a class, such as {shown(first)!r}, which is taken for a part of the "
                "text: --labelled leaves it out"
            )
        return line_rows(self._pipeline, path, self._form.encoding)

    def _arrays(self, path: str, kind: str) -> Iterator[Rows]:
        if kind == "npz":
            samples = self._npz(path).read(path, whole=False)
        else:
            samples = Samples(read_npy(path) if kind == "npy" else read_idx(path), None)
        inputs, targets, weights = samples.inputs, samples.targets, samples.weights
        count = samples_of(inputs)
        if targets is not None and len(targets) != count:
            raise DataError(f"data file {path!r} has {count} inputs but {len(targets)} targets")
        for start in range(0, count, size := self._rows()):
            stop = start + size
            parts = [None if one is None else part_of(one, start, stop) for one in (inputs, targets, weights)]
            yield Rows(parts[0], parts[1], row_of=start.__add__, weights=parts[2])

    def _npz(self, path: str) -> NpzSource:
        """How such files are read: as the source was, else each input by its own name."""
        if isinstance(self._source, NpzSource):
            return self._source
        names = {name: name for name in by_name(self._pipeline.features)}
        return NpzSource(path, "x" if ONLY in names else names, weights=self.weights)


def _weights_of(pipeline: Pipeline, source: Source | None) -> str | None:
    """The column or array of the samples' weights: where a function gave them, the one of the key it gave them by."""
    if isinstance(source, NpzSource | TableSource):
        return source.weights
    taken = {name for one in by_name(pipeline.features).values() for name in one.names or ()}
    return WEIGHTS if pipeline.targets.weighted and WEIGHTS not in taken else None


def _named_by(columns: Sequence[str]) -> str:
    return f"are named by {' and '.join(map(repr, columns))}" if columns else "have no names"


def _labels(path: str | None) -> Array | None:
    if path is None:
        return None
    return read_npy(path) if suffix_of(path) == ".npy" else read_labels(path)
