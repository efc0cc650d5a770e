"""Small tables in the working directory, and what is read of them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from dist_bp.data import Source
from dist_bp.data.conform import conform
from dist_bp.data.files import DigestCache
from dist_bp.data.sources.base import Dataset
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.errors import DataError

CSV = "size,town,fine,price\n1,Bonn,true,10\n2.5,Köln,TRUE,20\n3,Bonn,false,30\n"


def load(source: Source) -> Dataset:
    return source.open(DigestCache(Path.cwd())).load()


def digest(source: Source) -> str:
    return source.open(DigestCache(Path.cwd())).digest


def problems(source: Source) -> list[str]:
    with pytest.raises(DataError) as caught:
        load(source)
    return caught.value.problems


def csv(text: str, written: str = "utf-8", **options: Any) -> CsvSource:
    Path("d.csv").write_bytes(text.encode(written))
    return CsvSource("d.csv", "y", **options)


def column(*cells: str) -> str:
    """A file with such a column `a` of text, in quotes."""
    return "a,y\n" + "".join(f'"{cell}",{row % 2}\n' for row, cell in enumerate(cells))


def stored(values: Any, kind: Any = None, **options: Any) -> ParquetSource:
    """A Parquet file with such a column `a`."""
    cells = pa.array(values, kind)
    parquet.write_table(pa.table({"a": cells, "y": [row % 2 + 0.5 for row in range(len(cells))]}), "d.parquet")
    return ParquetSource("d.parquet", "y", **options)


def numbers(dataset: Dataset) -> list[Any]:
    assert dataset.features.categorical == ()
    return conform(dataset.samples.inputs, dataset.features).numbers[:, 0].tolist()


def texts(dataset: Dataset) -> list[Any]:
    assert dataset.features.categorical == ("a",)
    return conform(dataset.samples.inputs, dataset.features).texts[:, 0].tolist()


def write_csv(text: str, name: str = "d.csv") -> None:
    Path(name).write_text(text, encoding="utf-8")
