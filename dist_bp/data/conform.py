"""From what users hand over to the form that all later stages know."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from dist_bp.data.arrays import numeric_array, ragged_array
from dist_bp.data.categories import Vocabulary, text_of
from dist_bp.data.inputs import ONLY, Described, Features, Inputs, Raw, is_named, is_table, row_at
from dist_bp.data.samples import RaggedArray
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name
from dist_bp.types import Array


def conform(raw: Raw, features: Described, learnt: Mapping[str, Vocabulary] | None = None) -> Inputs:
    """Checks raw inputs against `features` and brings them into the common form; raises DataError.

    `learnt` are the categories of columns that a model knows.
    """
    if not isinstance(features, Features):
        return _several(raw, features, learnt)
    if isinstance(raw, Sequence) and raw and isinstance(raw[0], dict):
        raw = _frame(raw)
    elif features.worded and not is_table(raw):
        if isinstance(raw, str | bytes):
            raise DataError("the model takes several texts at once: give a list of them, or a table")
        raw = _frame(_right_width(np.asarray(raw, object), features), list(features.names or ()))
    if not is_table(raw):
        return _without_texts({ONLY: _array(raw, features, "the inputs")})
    if features.names is None:
        return conform(raw.to_numpy(), features, learnt)
    raw = rows_with(raw, features.names)
    numbers = _numbers_of(raw, features.numeric or ())
    return Inputs({ONLY: numbers}, _texts_of(raw, features, learnt or {}))


def rows_with(raw: Raw, names: Sequence[str]) -> Any:
    """A table, or a list of dicts, as a DataFrame that has these columns; raises DataError."""
    if isinstance(raw, Sequence) and raw and isinstance(raw[0], dict):
        raw = _frame(raw)
    if not is_table(raw):
        raise DataError(
            f"the model takes rows with the columns {', '.join(names)}: give a DataFrame or a list of dicts"
        )
    raw = raw.set_axis([str(column) for column in raw.columns], axis=1)
    missing = [name for name in names if name not in raw.columns]
    problems = [f"the data has no column {unknown_name(name, raw.columns)}" for name in missing]
    times = [(name, list(raw.columns).count(name)) for name in names] if not raw.columns.is_unique else []
    problems += [f"the data has {count} columns with the name {name!r}" for name, count in times if count > 1]
    if problems:
        raise DataError(problems)
    return raw


def _several(raw: Raw, features: Mapping[str, Features], learnt: Mapping[str, Vocabulary] | None) -> Inputs:
    named = ", ".join(features)
    if not is_named(raw):
        raise DataError(f"the data must give each input by its name, as a dict of arrays: {named}")
    if missing := [name for name in features if name not in raw]:
        raise DataError([f"the data has no input {unknown_name(name, [*map(str, raw)])}" for name in missing])
    tables = {name: conform(raw[name], one, learnt) for name, one in features.items() if one.names is not None}
    arrays = {
        name: tables[name].numbers if name in tables else _array(raw[name], one, f"the input {name!r}")
        for name, one in features.items()
    }
    if len({len(array) for array in arrays.values()}) > 1:
        sizes = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise DataError(f"the inputs must have the same number of samples: {sizes}")
    return Inputs(arrays, tables[ONLY].texts) if tables else _without_texts(arrays)


def _without_texts(arrays: Mapping[str, Array | RaggedArray]) -> Inputs:
    return Inputs(arrays, np.empty((len(next(iter(arrays.values()))), 0), object))


def _array(raw: Raw, features: Features, what: str) -> Array | RaggedArray:
    if not features.ragged:
        return _right_width(numeric_array(raw, what), features, what)
    found = ragged_array(raw, what)
    if found.values.shape[1:] != features.shape:
        wanted = ", ".join(map(str, ("any", *features.shape)))
        raise DataError(f"each sample of {what} must have the shape ({wanted}), not (any, {found.values.shape[1:]})")
    return found


def _frame(rows: Any, columns: list[str] | None = None) -> Any:
    import pandas as pd

    try:
        return pd.DataFrame(rows, columns=columns, dtype=object if columns else None)
    except UnicodeEncodeError:
        raise DataError("a text holds half a character: it is damaged") from None


def _right_width(array: Array, features: Features, what: str = "the inputs") -> Array:
    """The array as (samples, *shape); flat samples of the right size are taken for the shaped ones."""
    if array.ndim > 1 and array.shape[1:] == features.shape:
        return array
    if array.ndim == 2 and array.shape[1] == math.prod(features.shape):
        return array.reshape(len(array), *features.shape)
    if array.ndim == 1 and features.shape == (1,):
        return array.reshape(-1, 1)
    wanted = ", ".join(map(str, ("n", *features.shape)))
    raise DataError(f"{what} must have the shape ({wanted}), these have {array.shape}")


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


def _texts_of(frame: Any, features: Features, learnt: Mapping[str, Vocabulary]) -> Array:
    texts = np.empty((len(frame), len(features.worded)), object)
    for position, name in enumerate(features.worded):
        column, vocabulary = frame[name], learnt.get(name, Vocabulary())
        missing = column.isna().to_numpy()
        if name in features.text:
            texts[:, position] = [
                None if gone else _text(name, row, value)
                for row, (gone, value) in enumerate(zip(missing, column, strict=True))
            ]
            continue
        if column.dtype.kind == "f":
            _refuse_rounded(name, column.to_numpy(np.float64, na_value=0))
            column = column.to_numpy()  # with the digits that its type has, and no more
        for row, value in enumerate(column):
            if not missing[row]:
                texts[row, position] = _category(name, row, value, vocabulary)
    return texts


def _text(column: str, row: int, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | np.number):
        return text_of(value)
    raise DataError(f"column {column!r} holds {type(value).__name__} in {row_at(row)}: it must hold text")


def _category(column: str, row: int, value: Any, vocabulary: Vocabulary) -> str:
    if isinstance(value, Collection) and not isinstance(value, str | bytes):
        raise DataError(
            f"column {column!r} holds a {type(value).__name__} in {row_at(row)}, and a category is one value: give a "
            "row for each, as a DataFrame or a list of dicts"
        )
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
