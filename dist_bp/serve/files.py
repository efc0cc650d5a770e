"""Files of any size: raw rows in blocks from one, predictions in blocks to another."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dist_bp.data import Pipeline, read_inputs
from dist_bp.data.files import check_files, reading
from dist_bp.data.inputs import Raw
from dist_bp.data.reader import TABLES
from dist_bp.errors import UserError
from dist_bp.types import Array

if TYPE_CHECKING:
    import pandas as pd

Write = Callable[["pd.DataFrame"], None]
PARQUET = (".parquet", ".pq")
BLOCK_BYTES = 2**24


def read_blocks(path: str, pipeline: Pipeline, *, separator: str = ",", **names: str) -> Iterator[Raw]:
    """Raw rows of csv, tsv, parquet, npy, npz or idx, about 16 MB of numbers at a time; raises DataError.

    Of csv, parquet, npy and uncompressed idx, which may be larger than memory, only a block is read at once.
    `names` are those of the arrays in a .npz file, see `read_inputs`.
    """
    rows = max(1, BLOCK_BYTES // (8 * max(int(np.prod(pipeline.features.shape)), 1)))
    suffix = Path(path).suffix
    if suffix in PARQUET:
        yield from _parquet_blocks(path, pipeline, rows)
    elif suffix in TABLES:
        yield from _csv_blocks(path, pipeline, rows, TABLES[suffix] or separator)
    else:
        inputs = read_inputs(path, pipeline, **names).inputs
        yield from (inputs[start : start + rows] for start in range(0, len(inputs), rows))


def _csv_blocks(path: str, pipeline: Pipeline, rows: int, separator: str) -> Iterator["pd.DataFrame"]:
    import pandas as pd

    check_files(path)
    texts = dict.fromkeys(pipeline.features.categorical, str)
    with (
        reading(path, "csv file in UTF-8"),
        pd.read_csv(
            path, sep=separator, dtype=texts, usecols=_wanted(pipeline), low_memory=False, chunksize=rows
        ) as blocks,
    ):
        yield from blocks


def _parquet_blocks(path: str, pipeline: Pipeline, rows: int) -> Iterator["pd.DataFrame"]:
    from pyarrow import parquet

    check_files(path)
    with reading(path, "parquet file"), parquet.ParquetFile(path) as file:
        names = [name for name in file.schema_arrow.names if _wanted(pipeline)(name)]
        for batch in file.iter_batches(batch_size=rows, columns=names):
            yield batch.to_pandas()


def _wanted(pipeline: Pipeline) -> Callable[[str], bool]:
    """The features; where they have no names, all columns but the target."""
    names = pipeline.features.names
    return lambda name: name in names if names is not None else name != pipeline.targets.column


@contextmanager
def prediction_file(path: Path, overwrite: bool, classes: Any = None) -> Iterator[Write]:
    """A function that appends predictions to the new file `path`: csv, parquet, or npy with the predictions alone.

    The file appears complete or not at all. `classes` are those that the predictions are of, if any. Raises UserError
    where the file exists, cannot be written or has another suffix.
    """
    if path.suffix not in WRITERS:
        raise UserError(f"output {path}: the format is told by the suffix, one of {', '.join(WRITERS)}")
    if path.exists() and not overwrite:
        raise UserError(f"output {path} exists already: name another file, or add --force to replace it")
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with WRITERS[path.suffix](aside, classes) as write:
            yield write
        aside.replace(path)
    except OSError as error:
        raise UserError(f"output {path} cannot be written: {error.strerror or error}") from error
    finally:
        aside.unlink(missing_ok=True)


@contextmanager
def _write_csv(path: Path, classes: Any) -> Iterator[Write]:
    with path.open("w", encoding="utf-8", newline="") as file:
        yield lambda frame: frame.to_csv(file, index=False, header=file.tell() == 0)


@contextmanager
def _write_parquet(path: Path, classes: Any) -> Iterator[Write]:
    import pyarrow
    from pyarrow import parquet

    writer = None

    def write(frame: "pd.DataFrame") -> None:
        nonlocal writer
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table)

    try:
        yield write
    finally:
        if writer:
            writer.close()


@contextmanager
def _write_npy(path: Path, classes: Any) -> Iterator[Write]:
    """NumPy leaves room in the header for the number of rows to grow, so it is written again at the end."""
    header: dict[str, Any] = {}
    with path.open("wb") as file:

        def write(frame: "pd.DataFrame") -> None:
            names = [name for name in frame.columns if str(name).startswith("prediction")]
            dtype = None if classes is None else np.array(classes).dtype
            values: Array = np.ascontiguousarray(frame[names].to_numpy(dtype))
            values = values[:, 0] if len(names) == 1 else values
            first = not header
            rows = len(values) if first else header["shape"][0] + len(values)
            descr = np.lib.format.dtype_to_descr(values.dtype)
            header.update(descr=descr, fortran_order=False, shape=(rows, *values.shape[1:]))
            if first:
                np.lib.format.write_array_header_1_0(file, header)
            file.write(values.tobytes())

        yield write
        file.seek(0)
        np.lib.format.write_array_header_1_0(file, header)


WRITERS = {".csv": _write_csv, ".parquet": _write_parquet, ".npy": _write_npy}
