"""Text files of separated values."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from dist_bp.data.files import check_files, reading
from dist_bp.data.sources.table import Frame, TableFormat, TableSource, is_numeric
from dist_bp.options import Doc, Len


@dataclass(frozen=True)
class CsvSource(TableSource):
    """A text file of separated values with a header line, in UTF-8."""

    separator: Annotated[str, Len(1, 1), Doc("The character between two values.")] = ","

    def _table(self) -> TableFormat:
        return csv_table(self.separator)


def csv_table(separator: str) -> TableFormat:
    def load(path: str, **options: Any) -> Frame:
        import pandas as pd

        check_files(path)
        with reading(path, "csv file in UTF-8"), warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path, sep=separator, index_col=False, low_memory=False, dtype_backend="numpy_nullable", **options
            )

    def names(path: str) -> list[str]:
        return [str(name) for name in load(path, nrows=0).columns]

    def read(path: str, columns: Sequence[str], texts: Sequence[str]) -> Frame:
        """Truth values are read as they are written: what counts as one differs from file to file."""
        frame = load(path, dtype=dict.fromkeys(texts, str))[list(columns)]
        truths = [name for name in columns if name not in texts and not is_numeric(frame[name])]
        if truths:
            frame[truths] = load(path, usecols=truths, dtype=str)[truths]
        return frame

    return TableFormat(names, read)
