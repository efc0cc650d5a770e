"""The first raw rows of a source, kept beside the prepared arrays, so that nobody has to read the source for them."""

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from dist_bp.data.inputs import Raw, is_named, is_table, part_of
from dist_bp.data.samples import RaggedArray
from dist_bp.data.sources.npz import LENGTHS
from dist_bp.types import Array

ROWS = 5
BYTES = "bytes"
"""Of a column with the bytes of files, which JSON holds in base64."""
ARRAY, SEVERAL, TABLE = "example.npy", "example.npz", "example.json"
ONE = "inputs"
"""What a lone array of samples of different lengths is called."""


def write_example(directory: Path, inputs: Raw) -> None:
    """Keeps the first rows of raw inputs, of a table with columns of plain NumPy types, as pandas reads them."""
    if is_named(inputs) or isinstance(inputs, RaggedArray):
        _write_several(directory / SEVERAL, part_of(inputs, 0, ROWS))
        return
    if not is_table(inputs):
        np.save(directory / ARRAY, _native(np.array(inputs[:ROWS])), allow_pickle=False)
        return
    columns: list[dict[str, Any]] = []
    for name in inputs.columns:
        if len(inputs) and isinstance(inputs[name].iloc[0], bytes):
            files = [base64.b64encode(value).decode() for value in inputs[name][:ROWS]]
            columns.append({"name": str(name), "dtype": BYTES, "values": files})
            continue
        dtype = np.dtype(_plain(inputs[name]))
        values = inputs[name][:ROWS].astype(dtype).tolist()
        columns.append({"name": str(name), "dtype": dtype.name, "values": values})
    (directory / TABLE).write_text(json.dumps(columns, default=_written))


def read_example(directory: Path) -> Raw:
    """Some raw rows, see `Raw`. Raises OSError or ValueError where they are not there."""
    if (directory / ARRAY).exists():
        return np.load(directory / ARRAY, allow_pickle=False)
    if (directory / SEVERAL).exists():
        return _read_several(directory / SEVERAL)
    import pandas as pd

    columns = json.loads((directory / TABLE).read_text())
    return pd.DataFrame({one["name"]: _series(one["values"], one["dtype"]) for one in columns})


def _series(values: Any, dtype: str) -> Any:
    import pandas as pd

    if dtype == BYTES:
        return pd.Series([base64.b64decode(value) for value in values], dtype=object)
    return pd.Series(values, dtype=dtype)


def _write_several(path: Path, inputs: Raw) -> None:
    """As a source of npz has them, named by their place: a name may be none of a file."""
    named = inputs if is_named(inputs) else {ONE: inputs}
    arrays = {"names": np.array([*named]), "single": np.array(not is_named(inputs))}
    for place, one in enumerate(named.values()):
        arrays[str(place)] = _native(one.values if isinstance(one, RaggedArray) else np.asarray(one))
        if isinstance(one, RaggedArray):
            arrays[f"{place}{LENGTHS}"] = np.diff(one.offsets)
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _read_several(path: Path) -> Raw:
    with np.load(path, allow_pickle=False) as archive:
        found: dict[str, Raw] = {}
        for place, name in enumerate(archive["names"].tolist()):
            array, lengths = archive[str(place)], archive.get(f"{place}{LENGTHS}")
            found[name] = array if lengths is None else np.split(array, np.cumsum(lengths)[:-1])
        return found[ONE] if archive["single"] else found


def _native(array: Array) -> Array:
    """In this machine's order of bytes."""
    return array.astype(array.dtype.newbyteorder("="), copy=False)


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
