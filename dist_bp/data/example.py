"""The first raw rows of a source, kept beside the prepared arrays, so that nobody has to read the source for them."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from dist_bp.data.inputs import Raw, is_table

ROWS = 5
ARRAY, TABLE = "example.npy", "example.json"


def write_example(directory: Path, inputs: Raw) -> None:
    """Keeps the first rows of raw inputs, of a table with columns of plain NumPy types, as pandas reads them."""
    if not is_table(inputs):
        rows = np.array(inputs[:ROWS])
        np.save(directory / ARRAY, rows.astype(rows.dtype.newbyteorder("="), copy=False), allow_pickle=False)
        return
    columns = []
    for name in inputs.columns:
        dtype = np.dtype(_plain(inputs[name]))
        values = inputs[name][:ROWS].astype(dtype).tolist()
        columns.append({"name": str(name), "dtype": dtype.name, "values": values})
    (directory / TABLE).write_text(json.dumps(columns, default=_written))


def read_example(directory: Path) -> Raw:
    """Some raw rows, an array or a DataFrame. Raises OSError or ValueError where they are not there."""
    if (directory / ARRAY).exists():
        return np.load(directory / ARRAY, allow_pickle=False)
    import pandas as pd

    columns = json.loads((directory / TABLE).read_text())
    return pd.DataFrame({one["name"]: pd.Series(one["values"], dtype=one["dtype"]) for one in columns})


def _plain(column: Any) -> Any:
    """Text is objects, and so are whole numbers with missing values, which floats might round."""
    if column.dtype.kind not in "iuf" or (column.dtype.kind in "iu" and column.isna().any()):
        return object
    if column.isna().any():
        return np.float64
    return getattr(column.dtype, "numpy_dtype", column.dtype)


def _written(value: Any) -> Any:
    """What JSON does not know: numbers of NumPy, missing values of pandas, all else as text."""
    if isinstance(value, np.generic):
        return value.item()
    return None if str(value) in ("<NA>", "NaT") else str(value)
