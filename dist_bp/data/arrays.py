"""Arrays of numbers as users hand them over, of one shape or of different lengths."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dist_bp.data.inputs import Raw, row_at
from dist_bp.data.samples import RaggedArray
from dist_bp.errors import DataError
from dist_bp.types import Array

KINDS = "biufUO"
"""Of NumPy's dtypes: numbers and text."""


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
            f"{what} must be an array of real numbers, this one holds {kind}; columns of text need a table (csv, "
            "parquet or a DataFrame)"
        )
    return array


def is_ragged(values: Any) -> bool:
    """Whether these are samples of different lengths."""
    if isinstance(values, RaggedArray):
        return True
    if not isinstance(values, list | tuple) and getattr(getattr(values, "dtype", None), "kind", "") != "O":
        return False
    if getattr(values, "ndim", 1) != 1 or not all(isinstance(row, list | tuple | np.ndarray) for row in values):
        return False
    return len({len(row) if isinstance(row, list | tuple) or row.ndim else -1 for row in values}) > 1


def ragged_array(values: Any, what: str, kinds: str = "biuf") -> RaggedArray:
    """Samples of different lengths, or an array (n, length, ...) of one; raises DataError.

    `kinds` are those of NumPy's dtypes that the elements may have.
    """
    if isinstance(values, RaggedArray):
        found = values
    elif isinstance(values, np.ndarray) and values.dtype.kind != "O" and values.ndim > 1:
        count, length, *shape = values.shape
        found = RaggedArray(values.reshape(count * length, *shape), np.arange(count + 1) * length)
    else:
        found = _end_to_end(values, what)
    if found.values.dtype.kind not in kinds:
        numeric_array(found.values, what)
    if not (lengths := np.diff(found.offsets)).all():
        row = row_at(int(np.argmin(lengths)))
        raise DataError(f"{what} have no position in {row}: leave such samples out")
    return found


def ragged_of(values: Array, lengths: Array, what: str) -> RaggedArray:
    """Samples that lie one behind the other, with the length of each; raises DataError."""
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (len(lengths) and lengths.min() < 0) or not values.ndim:
        raise DataError(f"the lengths of {what} must be whole numbers (n,), one for each sample")
    total = int(lengths.sum())
    if total != len(values):
        raise DataError(
            f"{what} hold {len(values)} positions, and the lengths of the samples add up to {total}: give the samples "
            "one behind the other, without padding"
        )
    return RaggedArray(values, np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]))


def _end_to_end(values: Any, what: str) -> RaggedArray:
    try:
        rows = [np.asarray(row) for row in values]
    except ValueError as error:
        raise DataError(f"{what} are ragged along more than their first axis: {error}") from error
    filled = [row for row in rows if row.size]
    if any(row.ndim == 0 for row in rows) or len({row.shape[1:] for row in filled}) > 1:
        raise DataError(f"{what} must be samples that differ in the length of their first axis alone")
    lengths = np.array([len(row) for row in rows], np.int64)
    joined = np.concatenate(filled) if filled else np.empty(0)
    return RaggedArray(joined, np.concatenate([[0], np.cumsum(lengths)]))


def values_of(array: Array | RaggedArray) -> Array:
    """The array, of ragged samples that of all positions."""
    return array.values if isinstance(array, RaggedArray) else array


def place_at(targets: Array | RaggedArray, place: Sequence[int]) -> str:
    """Where a target is, for messages: `place` are its indices in `values_of`."""
    first, *rest = map(int, place)
    if not isinstance(targets, RaggedArray):
        return row_at(first) + (f", column {rest[0]}" if rest else "")
    row = int(np.searchsorted(targets.offsets, first, "right")) - 1
    return f"{row_at(row)}, position {first - int(targets.offsets[row])}"
