"""Parquet files: cells have the types that the file says."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from dist_bp.data.files import check_files, reading
from dist_bp.data.tables.base import TableFile
from dist_bp.data.tables.notation import Notation

INDEX = re.compile(r"__index_level_\d+__")
"""What pandas calls an index that has no name."""


class ParquetFile(TableFile):
    """Of a file larger than memory only a block is read at a time. Raises DataError where it is no Parquet file."""

    def __init__(self, path: str) -> None:
        from pyarrow import parquet

        self.path = path
        self.notation = Notation(typed=True)
        check_files(path)
        with reading(path, "parquet file"):
            names = [str(name) for name in parquet.read_schema(path).names]
        self.names = tuple(name for name in names if not INDEX.fullmatch(name))
        self.unnamed = tuple(f"{name} (an index without a name)" for name in names if INDEX.fullmatch(name))

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        import pyarrow as pa
        from pyarrow import parquet

        with reading(self.path, "parquet file"), parquet.ParquetFile(self.path) as file:
            if not file.metadata.num_rows:
                yield file.schema_arrow.empty_table().select(columns)
            for batch in file.iter_batches(batch_size=rows, columns=list(columns)):
                yield pa.Table.from_batches([batch]).select(columns)
