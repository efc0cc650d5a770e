"""Text files of separated values."""

from dataclasses import dataclass

from dist_bp.data.sources.table import TableSource
from dist_bp.data.tables.csv import CsvFile, CsvForm


@dataclass(frozen=True)
class CsvSource(TableSource, CsvForm):
    """A text file of separated values, packed (.gz, .bz2, .xz, .zip) or not."""

    def __post_init__(self) -> None:
        TableSource.__post_init__(self)
        CsvForm.__post_init__(self)

    def table(self, path: str) -> CsvFile:
        return CsvFile(path, self)
