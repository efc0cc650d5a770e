"""Tables with named columns: csv and parquet, read by pandas."""

import re
import warnings
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from dist_bp.data.files import DigestCache, check_files, reading
from dist_bp.data.inputs import Features, row_at
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source, open_files
from dist_bp.data.targets import Task
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name

Frame = Any
Missing = Literal["error", "drop", "impute"]
NUMBERS, DATES = "iuf", "mM"
"""Kinds of NumPy types, which those of pandas share."""


@dataclass(frozen=True)
class _Table:
    """How to read one format: the column names, and some columns with those in `texts` taken as they are written."""

    names: Callable[[str], list[str]]
    read: Callable[[str, Sequence[str], Sequence[str]], Frame]


class _TableSource(Source):
    path: str
    target: str
    features: tuple[str, ...] | None
    categorical: tuple[str, ...] | None
    missing: Missing
    test_path: str | None

    @abstractmethod
    def _table(self) -> _Table:
        """How to read the format."""

    def open(self, cache: DigestCache) -> Opened:
        options = {key: value for key, value in vars(self).items() if key not in ("path", "test_path")}
        return open_files(type(self).__name__, (self.path, self.test_path), options, cache, self.load)

    def load(self) -> Dataset:
        columns = self._check_columns()
        given = self.categorical or ()
        frame = self._table().read(self.path, [*columns, self.target], given)
        found = tuple(name for name in columns if frame[name].dtype.kind not in NUMBERS + DATES)
        features = Features((len(columns),), columns, given if self.categorical is not None else found)
        test = None
        if self.test_path is not None:
            test_frame = self._table().read(self.test_path, [*columns, self.target], features.categorical)
            test = self._samples(test_frame, self.test_path, features)
        return Dataset(self._samples(frame, self.path, features), features, test, column=self.target)

    def _check_columns(self) -> tuple[str, ...]:
        """The features, in the order asked for; raises DataError for all columns that a file lacks."""
        names = self._table().names(self.path)
        columns = self.features or tuple(name for name in names if name != self.target)
        problems = [
            f"{key}: data file {path!r} has no column {unknown_name(name, there)}"
            for path in (self.path, self.test_path)
            if path is not None
            for there in [names if path == self.path else self._table().names(path)]
            for key, wanted in (("target", [self.target]), ("features", columns))
            for name in wanted
            if name not in there
        ]
        problems += [
            f"categorical: {name!r} is not among the features {', '.join(map(repr, columns))}"
            for name in self.categorical or ()
            if name not in columns
        ]
        if not columns:
            problems.append(f"data file {self.path!r} has no columns besides the target {self.target!r}")
        if problems and len(names) == 1:
            problems.append(f"data file {self.path!r} has only one column: is data.source.separator right?")
        if problems:
            raise DataError(problems)
        return columns

    def _samples(self, frame: Frame, path: str, features: Features) -> Samples:
        """Applies the policy for missing values; raises DataError."""
        columns = list(features.names or ())
        problems = _infinite(frame, path, features.categorical)
        missing = frame.isna()
        if self.missing == "drop":
            frame = frame[~missing.any(axis=1)]
        else:
            refused = [self.target] if self.missing == "impute" else [*columns, self.target]
            problems += [
                f"column {name!r} of {path!r} has {int(missing[name].sum())} missing values, first in "
                f"{row_at(int(np.argmax(missing[name])))}: {self._remedy(name)}"
                for name in refused
                if missing[name].any()
            ]
        if problems:
            raise DataError(problems)
        return Samples(frame[columns], target_values(frame[self.target]))

    def _remedy(self, name: str) -> str:
        if name == self.target:
            return "set data.source.missing: drop, or give the target"
        return "set data.source.missing to drop, or to impute with an impute step in data.preprocess"


@dataclass(frozen=True)
class CsvSource(_TableSource):
    """A text file in UTF-8 with a header line.

    Columns that hold anything but numbers are categories unless `categorical` lists them; `missing` refuses missing
    values, drops their rows, or leaves them to the impute step.
    """

    path: str
    target: str
    separator: str = ","
    features: tuple[str, ...] | None = None
    categorical: tuple[str, ...] | None = None
    missing: Missing = "error"
    test_path: str | None = None
    task: Task | None = None

    def _table(self) -> _Table:
        return csv_table(self.separator)


@dataclass(frozen=True)
class ParquetSource(_TableSource):
    """A Parquet file; its columns of text and truth values are categories unless `categorical` lists them."""

    path: str
    target: str
    features: tuple[str, ...] | None = None
    categorical: tuple[str, ...] | None = None
    missing: Missing = "error"
    test_path: str | None = None
    task: Task | None = None

    def _table(self) -> _Table:
        return PARQUET


def csv_table(separator: str) -> _Table:
    def load(path: str, **options: Any) -> Frame:
        import pandas as pd

        check_files(path)
        with reading(path, "csv file in UTF-8"), warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path, sep=separator, index_col=False, low_memory=False, dtype_backend="numpy_nullable", **options
            )

    def names(path: str) -> list[str]:
        return [str(name) for name in load(path, nrows=0).columns]

    def read(path: str, columns: Sequence[str], texts: Sequence[str]) -> Frame:
        """Truth values are read as they are written: what counts as one differs from file to file."""
        frame = load(path, dtype=dict.fromkeys(texts, str))[list(columns)]
        truths = [name for name in columns if name not in texts and not _is_numeric(frame[name])]
        if truths:
            frame[truths] = load(path, usecols=truths, dtype=str)[truths]
        return frame

    return _Table(names, read)


def _parquet_names(path: str) -> list[str]:
    from pyarrow import parquet

    check_files(path)
    with reading(path, "parquet file"):
        names = [str(name) for name in parquet.read_schema(path).names]
        return [name for name in names if not re.fullmatch(r"__index_level_\d+__", name)]


def _read_parquet(path: str, columns: Sequence[str], texts: Sequence[str]) -> Frame:
    import pandas as pd

    check_files(path)
    with reading(path, "parquet file"):
        frame = pd.read_parquet(path, columns=list(columns), dtype_backend="numpy_nullable")
        # What pandas wrote as a named index comes back as one.
        return (frame if set(columns) <= set(frame) else frame.reset_index())[list(columns)]


PARQUET = _Table(_parquet_names, _read_parquet)


def target_values(column: Any) -> Any:
    """A column of a table as raw targets: whole numbers, floats or text."""
    if not _is_numeric(column):
        return column.astype(str).to_numpy(object)
    return column.to_numpy(np.int64 if column.dtype.kind in "iu" else np.float64)


def _infinite(frame: Frame, path: str, categorical: Sequence[str]) -> list[str]:
    """One line for each column of numbers that holds an infinite one."""
    problems = []
    for name in frame.columns:
        if name not in categorical and _is_numeric(frame[name]):
            infinite = np.isinf(frame[name].to_numpy(np.float64, na_value=0))
            if infinite.any():
                row = row_at(int(np.argmax(infinite)))
                problems.append(f"column {name!r} of {path!r} has an infinite value, first in {row}")
    return problems


def _is_numeric(column: Any) -> bool:
    return column.dtype.kind in NUMBERS
