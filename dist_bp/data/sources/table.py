"""Tables with named columns, read by pandas."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np

from dist_bp.data.files import DigestCache
from dist_bp.data.inputs import Features, row_at
from dist_bp.data.sources.base import Dataset, Opened, Samples, Source, open_files
from dist_bp.errors import DataError, OptionError
from dist_bp.messages import unknown_name
from dist_bp.options import Doc, File, MinLen, Text

Frame = Any
NUMBERS, DATES = "iuf", "mM"
"""Kinds of NumPy types, which those of pandas share."""


@dataclass(frozen=True)
class TableFormat:
    """How to read one format: the column names, and some columns with those in `texts` taken as they are written."""

    names: Callable[[str], list[str]]
    read: Callable[[str, Sequence[str], Sequence[str]], Frame]


@dataclass(frozen=True)
class TableSource(Source):
    """A file of named columns.

    Columns that hold anything but numbers are categories unless `categorical` lists them; `missing` refuses missing
    values, drops their rows, or leaves them to the impute step.
    """

    path: Annotated[File, Doc("The file of the table.")]
    target: Annotated[Text, Doc("Column to predict.")]
    features: Annotated[
        Annotated[Sequence[Text], MinLen(1)] | None, Doc("Columns to learn from; null: all but the target.")
    ] = None
    categorical: Annotated[
        Sequence[Text] | None,
        Doc("Features that are categories; null: the columns that hold text or truth values."),
    ] = None
    missing: Annotated[
        Literal["error", "drop", "impute"],
        Doc("Missing values: refuse them, drop their rows, or leave them to the impute step."),
    ] = "error"
    test_path: Annotated[File | None, Doc("A file of the same form with the test set.")] = None

    def __post_init__(self) -> None:
        if self.features and self.target in self.features:
            raise OptionError("features", f"must not hold the target column {self.target!r}")
        strangers = [name for name in self.categorical or () if self.features is not None and name not in self.features]
        if strangers:
            text = f"must be among data.source.features, which lacks {', '.join(map(repr, strangers))}"
            raise OptionError("categorical", text)

    @abstractmethod
    def _table(self) -> TableFormat:
        """How to read the format."""

    def open(self, cache: DigestCache) -> Opened:
        options = {key: value for key, value in vars(self).items() if key not in ("path", "test_path")}
        return open_files(type(self).__name__, (self.path, self.test_path), options, cache, self.load)

    def load(self) -> Dataset:
        columns = self._check_columns()
        given = tuple(self.categorical or ())
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
        columns = tuple(self.features or ()) or tuple(name for name in names if name != self.target)
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


def target_values(column: Any) -> Any:
    """A column of a table as raw targets: whole numbers, floats or text."""
    if not is_numeric(column):
        return column.astype(str).to_numpy(object)
    return column.to_numpy(np.int64 if column.dtype.kind in "iu" else np.float64)


def _infinite(frame: Frame, path: str, categorical: Sequence[str]) -> list[str]:
    """One line for each column of numbers that holds an infinite one."""
    problems = []
    for name in frame.columns:
        if name not in categorical and is_numeric(frame[name]):
            infinite = np.isinf(frame[name].to_numpy(np.float64, na_value=0))
            if infinite.any():
                row = row_at(int(np.argmax(infinite)))
                problems.append(f"column {name!r} of {path!r} has an infinite value, first in {row}")
    return problems


def is_numeric(column: Any) -> bool:
    return column.dtype.kind in NUMBERS
