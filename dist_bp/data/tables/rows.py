"""Columns of a file as raw samples: a table of inputs, targets and what names the rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dist_bp.data.inputs import row_at, samples_of
from dist_bp.data.tables.column import Column
from dist_bp.data.tables.kinds import Kind
from dist_bp.errors import DataError


@dataclass(frozen=True)
class Rows:
    """Raw inputs, see `Raw`; targets (n, ...), weights (n,) and names (n,) where there are any: a
    Series with the name of their column.

    `row_of` gives the row of the file that is the i-th here. `files` (n,) name those that the samples are read from,
    where each has one of its own.
    """

    inputs: Any
    targets: Any = None
    ids: Any = None
    row_of: Callable[[int], int] = int
    weights: Any = None
    files: Any = None

    def __len__(self) -> int:
        return samples_of(self.inputs)


def rows_of(
    columns: Sequence[Column],
    kinds: Mapping[str, Kind],
    target: str | None = None,
    id_column: str | None = None,
    weights_column: str | None = None,
    problems: Sequence[str] = (),
) -> Rows:
    """Raises DataError with `problems` and with a line for each column that does not hold what its kind says."""
    import pandas as pd

    problems = [*problems]
    inputs: dict[str, Any] = {}
    targets = ids = weights = None
    for column in columns:
        if column.name == id_column:
            ids = column.names().rename(column.name)
            continue
        try:
            values = _values(column, kinds[column.name])
        except DataError as error:
            problems += error.problems
            continue
        if column.name == weights_column:
            weights = values.to_numpy(np.float64)
        elif column.name != target:
            inputs[column.name] = values
        elif kinds[target] == "category":
            targets = values.astype(str).to_numpy(object)
        else:
            whole = values.dtype.kind in "iu" and values.max() <= np.iinfo(np.int64).max
            targets = values.to_numpy(np.int64 if whole or not len(values) else np.float64)
    if problems:
        raise DataError(problems)
    return Rows(pd.DataFrame(inputs), targets, ids, weights=weights)


def _values(column: Column, kind: Kind) -> Any:
    import pandas as pd

    if kind == "text":
        return column.texts()
    if kind == "category":
        return column.categories()
    numbers = column.numbers()
    infinite = np.isinf(numbers)
    if infinite.any():
        where = f"column {column.name!r} of {column.file.path!r}"
        raise DataError(f"{where} has an infinite value, first in {row_at(column.row(int(np.argmax(infinite))))}")
    return pd.Series(numbers)
