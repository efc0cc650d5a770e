"""Raw inputs in the one form that all later stages know: an array of numbers beside an array of categories."""

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from dist_bp.data.categories import Vocabulary
from dist_bp.errors import DataError
from dist_bp.foreign import checked
from dist_bp.messages import unknown_name
from dist_bp.types import Array, Shape

Raw = Any
"""An array (samples, *shape), a pandas.DataFrame, or a list of rows: what users hand over."""
BLOCK_BYTES = 16 * 2**20
"""Size of a block of float64 numbers: with its source and its result about 64 MB are in memory at a time."""


@dataclass(frozen=True)
class Features:
    """What one raw sample is made of.

    `shape` is that of one sample, (columns,) for a table; `names` are its columns, or None for a plain array;
    `categorical` are those of the columns that hold categories, `by_value` those of them that were numbers.
    """

    shape: Shape
    names: tuple[str, ...] | None = None
    categorical: tuple[str, ...] = ()
    by_value: tuple[str, ...] = ()

    @property
    def numeric(self) -> tuple[str, ...] | None:
        if self.names is None:
            return None
        return tuple(name for name in self.names if name not in self.categorical)

    def to_dict(self) -> dict[str, Any]:
        names = None if self.names is None else list(self.names)
        columns = {"categorical": list(self.categorical), "by_value": list(self.by_value)}
        return {"shape": list(self.shape), "names": names, **columns}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> "Features":
        """Raises ValueError."""
        made: Features = checked(cls, state)
        names = made.names or ()
        if min(made.shape, default=1) < 0 or (made.names is not None and made.shape != (len(names),)):
            raise ValueError(f"{len(names)} names for samples of shape {made.shape}")
        if len({*names}) != len(names) or not {*made.by_value} <= {*made.categorical} <= {*names}:
            raise ValueError("a column is named twice, or is categorical and not there")
        return made


@dataclass
class Block:
    """Some rows: float64 numbers (rows, *shape), NaN where missing, and categories (rows, columns), None where missing.

    Steps change `numbers` in place.
    """

    numbers: Array
    texts: Array


@dataclass(frozen=True)
class Inputs:
    """All rows: numbers (rows, *shape) of any real dtype, perhaps memory-mapped, and categories (rows, columns)."""

    numbers: Array
    texts: Array

    def __len__(self) -> int:
        return len(self.numbers)

    def block(self, rows: Array) -> Block:
        """A copy of the samples at ascending indices `rows`."""
        dense = len(rows) > 0 and rows[-1] - rows[0] + 1 == len(rows)
        chosen = slice(rows[0], rows[-1] + 1) if dense else rows
        return Block(np.array(self.numbers[chosen], np.float64, order="C"), self.texts[chosen])

    def blocks(self, rows: Array, rows_per_block: int) -> Iterator[Block]:
        """The samples at ascending indices `rows`, some at a time."""
        return (self.block(some) for some in chunks(rows, rows_per_block))


def chunks(rows: Array, size: int) -> Iterator[Array]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def rows_per_block(numbers: int, texts: int = 0) -> int:
    """Rows that make a block, for a sample of so many numbers and categories."""
    return max(1, BLOCK_BYTES // (8 * max(numbers + 8 * texts, 1)))


def is_table(raw: Raw) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(raw, pandas.DataFrame)


def absent(texts: Array) -> Array:
    """Mask of the missing categories."""
    return cast(Array, np.equal(texts, cast(Any, None)))


def row_at(row: int) -> str:
    """A row for messages."""
    return f"row {row} (counted from 0)"


def with_rows(message: str, row_of: Callable[[int], int]) -> str:
    """A message on a part of a file, with the rows of the file, `row_of` those of the part, in their place."""
    return re.sub(r"\brow (\d+) \(counted from 0\)", lambda found: row_at(row_of(int(found[1]))), message)


def numeric_array(values: Raw, what: str) -> Array:
    """`values` as an array of real numbers without a copy where possible; raises DataError."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise DataError(f"{what} are ragged: all rows must have the same shape ({error})") from error
    if array.dtype.kind not in "biuf":
        kind = {"O": "Python objects", "U": "text", "S": "bytes", "c": "complex numbers"}.get(
            array.dtype.kind, str(array.dtype)
        )
        raise DataError(
            f"{what} must be an array of real numbers, this one holds {kind}; columns of text need a table "
            "(csv, "
            "parquet or a DataFrame)"
        )
    return array


def conform(raw: Raw, features: Features, learnt: Mapping[str, Vocabulary] | None = None) -> Inputs:
    """Checks raw inputs against `features` and brings them into the common form; raises DataError.

    `learnt` are the categories of columns that a model knows.
    """
    if isinstance(raw, Sequence) and raw and isinstance(raw[0], dict):
        raw = _frame(raw)
    elif features.categorical and not is_table(raw):
        raw = _frame(_right_width(np.asarray(raw, object), features), list(features.names or ()))
    if not is_table(raw):
        array = _right_width(numeric_array(raw, "the inputs"), features)
        return Inputs(array, np.empty((len(array), 0), object))
    if features.names is None:
        return conform(raw.to_numpy(), features, learnt)
    raw = raw.set_axis([str(column) for column in raw.columns], axis=1)
    missing = [name for name in features.names if name not in raw.columns]
    problems = [f"the data has no column {unknown_name(name, raw.columns)}" for name in missing]
    times = [(name, list(raw.columns).count(name)) for name in features.names] if not raw.columns.is_unique else []
    problems += [f"the data has {count} columns with the name {name!r}" for name, count in times if count > 1]
    if problems:
        raise DataError(problems)
    return Inputs(_numbers_of(raw, features.numeric or ()), _texts_of(raw, features.categorical, learnt or {}))


def _frame(rows: Any, columns: list[str] | None = None) -> Any:
    import pandas as pd

    return pd.DataFrame(rows, columns=columns)


def _right_width(array: Array, features: Features) -> Array:
    """The array as (samples, *shape); flat samples of the right size are taken for the shaped ones."""
    if array.ndim > 1 and array.shape[1:] == features.shape:
        return array
    if array.ndim == 2 and array.shape[1] == math.prod(features.shape):
        return array.reshape(len(array), *features.shape)
    if array.ndim == 1 and features.shape == (1,):
        return array.reshape(-1, 1)
    wanted = ", ".join(map(str, ("n", *features.shape)))
    raise DataError(f"the inputs must have the shape ({wanted}), these have {array.shape}")


def _numbers_of(frame: Any, names: Sequence[str]) -> Array:
    import pandas as pd

    numbers = np.empty((len(frame), len(names)))
    problems = []
    for position, name in enumerate(names):
        column = frame[name]
        if column.dtype.kind in "mM":
            problems.append(
                f"column {name!r} holds dates: make numbers of them, or leave it out (data.source.features)"
            )
            continue
        values = pd.to_numeric(column, errors="coerce")
        lost = np.flatnonzero((values.isna() & column.notna()).to_numpy())
        if len(lost):
            problems.append(
                f"column {name!r} holds text, first {str(column.iloc[lost[0]])!r} in {row_at(lost[0])}: "
                "mend it, or name the column in data.source.categorical"
            )
            continue
        numbers[:, position] = values.to_numpy(np.float64, na_value=np.nan)
    if problems:
        raise DataError(problems)
    return numbers


def _texts_of(frame: Any, names: Sequence[str], learnt: Mapping[str, Vocabulary]) -> Array:
    texts = np.empty((len(frame), len(names)), object)
    for position, name in enumerate(names):
        column, vocabulary = frame[name], learnt.get(name, Vocabulary())
        missing = column.isna().to_numpy()
        if column.dtype.kind == "f":
            _refuse_rounded(name, column.to_numpy(np.float64, na_value=0))
            column = column.to_numpy()  # with the digits that its type has, and no more
        for row, value in enumerate(column):
            if not missing[row]:
                texts[row, position] = _category(name, row, value, vocabulary)
    return texts


def _category(column: str, row: int, value: Any, vocabulary: Vocabulary) -> str:
    names = vocabulary.names(value)
    if len(names) > 1:
        raise DataError(
            f"column {column!r} holds the number {value} in {row_at(row)}, and training has seen "
            f"{' and '.join(map(repr, names))}: give it as text"
        )
    return names[0]


def _refuse_rounded(name: str, values: Array) -> None:
    """Whole numbers that a float cannot tell apart are no names of categories."""
    large = np.abs(values) > 2**53
    if large.any():
        row = int(np.argmax(large))
        raise DataError(
            f"column {name!r} holds categories as floats, first {float(values[row])!r} in {row_at(row)}, which were "
            "rounded: give them as text or as whole numbers"
        )
