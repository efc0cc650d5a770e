"""Parquet files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from dist_bp.data.files import check_files, reading
from dist_bp.data.sources.table import Frame, TableFormat, TableSource


@dataclass(frozen=True)
class ParquetSource(TableSource):
    """A Parquet file."""

    def _table(self) -> TableFormat:
        return PARQUET


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


PARQUET = TableFormat(_parquet_names, _read_parquet)
