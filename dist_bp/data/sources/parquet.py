"""Parquet files."""

from dataclasses import dataclass

from dist_bp.data.sources.table import TableSource
from dist_bp.data.tables.parquet import ParquetFile


@dataclass(frozen=True)
class ParquetSource(TableSource):
    """A Parquet file."""

    def table(self, path: str) -> ParquetFile:
        return ParquetFile(path)
