"""Tables for a trained model: their columns are found, read and dropped as those that it was trained on."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from dist_bp.data.inputs import by_name, row_at, table_in
from dist_bp.data.media.given import FILE, kind_of
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.sources.table import TableSource
from dist_bp.data.tables.base import BLOCK_CELLS, TableFile
from dist_bp.data.tables.column import Column, without
from dist_bp.data.tables.csv import CsvFile, CsvForm
from dist_bp.data.tables.json_lines import JsonLinesFile
from dist_bp.data.tables.kinds import Kind
from dist_bp.data.tables.parquet import ParquetFile
from dist_bp.data.tables.rows import Rows, rows_of
from dist_bp.errors import DataError


class GivenTables:
    """Tables for a model that was trained on `source`, None: on something else than a table; `form` is that of text
    files, `weights` the column that the weights of samples are in. `ids` names rows, and `listed_by` files; `beside`
    are the columns that the network takes."""

    def __init__(self, pipeline: Pipeline, source: TableSource | None, form: CsvForm, weights: str | None) -> None:
        self._pipeline, self._source = pipeline, source
        self._form, self._weights = form, weights
        self.listed_by = source.listed if source else None
        self.ids = source.id_column if source else None
        self.beside = table_in(pipeline.features)
        self._text = {name for one in by_name(pipeline.features).values() for name in one.text}
        self._drops = source is not None and source.missing == "drop"

    def naming(self, path: str, kind: str) -> list[str]:
        """The columns of predictions that name the rows of a file."""
        ids = [self.ids] if self.ids in self._file(path, kind).names else []
        return [FILE, *ids] if self.listed_by is not None else ids

    def rows(self, path: str, kind: str, size: int, target: str | None) -> Iterator[Rows]:
        """At most `size` rows at a time, with their targets where there is a column of them; of images or sounds, where
        they are. Raises DataError."""
        blocks = self._blocks(self._file(path, kind), size, target)
        return blocks if self._source is None or self.listed_by is None else self._listed(self._source, path, blocks)

    def _blocks(self, file: TableFile, size: int, target: str | None) -> Iterator[Rows]:
        features = self._features(file, target)
        wanted = [*features, *([target] if target else [])]
        file.require([("", name) for name in features], self._without_targets(file, target))
        ids = self.ids if self.ids in file.names else None
        weights = self._weights if target and self._weights in file.names else None
        wanted += [name for name in (ids, weights) if name]
        first = 0
        for table in file.blocks(wanted, min(size, max(1, BLOCK_CELLS // len(file.names)))):
            columns = [Column(file, name, table[name], first, text=name in self._text) for name in wanted]
            first += len(table)
            columns = self._without_gaps(columns, target)
            kinds = self._kinds(features, target) | ({weights: "number"} if weights else {})
            yield replace(rows_of(columns, kinds, target, ids, weights), row_of=columns[0].row)

    def _file(self, path: str, kind: str) -> TableFile:
        if kind == "csv":
            return CsvFile(path, self._form, command=True)
        return ParquetFile(path) if kind == "parquet" else JsonLinesFile(path)

    def _without_targets(self, file: TableFile, target: str | None) -> list[str]:
        """What is wrong with the column of the targets, if they are wanted."""
        if target is None:
            return []
        remedy = "" if target in file.names else ", which holds the targets: add it, or name their file with --targets"
        return [line + remedy for line in file.check_names([("", target)])]

    def _features(self, file: TableFile, target: str | None) -> Sequence[str]:
        """The columns that are inputs; raises DataError where a table cannot be all of them."""
        if self.beside or self.listed_by is not None:
            return [*(self.beside.names or () if self.beside else ()), *self._of_files]
        if not self._pipeline.only:
            raise DataError(
                f"data file {file.path!r} is a table, and the network takes several inputs: give a .npz file"
            )
        aside = (target or self._pipeline.targets.column, self._weights)
        return [name for name in file.names if name not in aside]

    @property
    def _of_files(self) -> list[str]:
        """The columns that say which files, and which parts of them."""
        table = self._source
        return [table.listed, *table.ends] if table and table.listed else []

    def _listed(self, source: TableSource, path: str, blocks: Iterator[Rows]) -> Iterator[Rows]:
        """The files that the rows of a table name."""
        for rows in blocks:
            files = rows.inputs[self.listed_by].astype("string")
            yield replace(rows, inputs=source.inputs(path, rows.inputs), files=files)

    def _kinds(self, features: Sequence[str], target: str | None) -> dict[str, Kind]:
        """As they were in training; labels that were text are."""
        texts = {name for one in by_name(self._pipeline.features).values() for name in one.categorical}
        if self.listed_by is not None:
            texts.add(self.listed_by)
        if any(isinstance(label, str) for label in self._pipeline.classes or ()):
            texts.add(target or "")
        kinds: dict[str, Kind] = {name: "category" if name in texts else "number" for name in (*features, target or "")}
        return kinds | dict.fromkeys(self._text, "text")

    def _without_gaps(self, columns: list[Column], target: str | None) -> list[Column]:
        if self._drops and target:
            told = [column for column in columns if column.name not in (self.ids, *self._of_files[1:])]
            return without(columns, np.any([column.missing for column in told], axis=0))
        roles = {target: "target", self.listed_by: kind_of(self._pipeline).many if self.listed_by else ""}
        gaps = [column for column in columns if column.name in roles and column.missing.any()]
        if gaps:
            raise DataError(
                [
                    f"the {roles[gap.name]} column {gap.name!r} of {gap.file.path!r} is missing in "
                    f"{row_at(gap.row(int(np.argmax(gap.missing))))}"
                    for gap in gaps
                ]
            )
        return columns
