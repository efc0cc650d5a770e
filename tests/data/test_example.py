"""The raw rows that are kept with prepared data are those of the source, whatever became of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dist_bp.data import Split, prepare
from dist_bp.data.conform import conform
from dist_bp.data.inputs import Features, Raw
from dist_bp.data.preprocess.impute import Impute
from dist_bp.data.preprocess.one_hot import OneHot
from dist_bp.data.sources.base import Source
from dist_bp.data.sources.npy import NpySource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.errors import DataError


def example_of(source: Source, folder: Path, *steps: Impute | OneHot) -> Raw:
    prepared = prepare(source, Split(), steps, seed=0, dtype="float32", directory=folder / "prepared")
    for path in folder.glob("raw.*"):
        path.unlink()
    return prepared.example()


def test_an_array_is_of_its_type_and_the_machine_s_byte_order(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.arange(40, dtype=">i2").reshape(20, 2))
    np.save(tmp_path / "y.npy", np.arange(20) % 2)
    rows = example_of(NpySource(str(tmp_path / "raw.npy"), str(tmp_path / "y.npy")), tmp_path)
    assert rows.dtype == np.dtype("=i2")
    assert rows.dtype.isnative
    assert rows.tolist() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]


def test_a_table_keeps_the_types_of_its_columns_and_what_is_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "size": np.array([0.1, 1 / 3, np.nan, 2, 1e30, 6, 7, 8], np.float64),
            "short": np.arange(8, dtype=np.float32) / 3,
            "rooms": np.arange(8, dtype=np.int16),
            "age": pd.array([1, None, 3, 4, 5, 6, 7, 8], dtype="Int64"),
            "floor": pd.array(range(8), dtype="Int32"),
            "colour": ["red", None, "blue", "ä", "", "red", "blue", "red"],
            "kind": ["flat", "house"] * 4,
        }
    )
    frame.to_parquet(tmp_path / "raw.parquet")
    source = ParquetSource(str(tmp_path / "raw.parquet"), "kind", missing="impute")
    rows = example_of(source, tmp_path, Impute(strategy="most_frequent"), OneHot())
    assert rows.dtypes.astype(str).to_dict() == {
        "size": "float64",
        "short": "float32",
        "rooms": "int16",
        "age": "float64",
        "floor": "int32",
        "colour": "object",
    }
    for name in rows.columns:
        expected = frame[name][:5].astype(rows[name].dtype)
        pd.testing.assert_series_equal(rows[name], expected.where(expected.notna(), rows[name]))
    assert rows.isna().sum().to_dict() == {"size": 1, "short": 0, "rooms": 0, "age": 1, "floor": 0, "colour": 1}


def test_names_of_categories_are_not_rounded(tmp_path: Path) -> None:
    ids = [2**53 + 1, None, 2**53 + 2, *range(5)]
    frame = pd.DataFrame({"city": pd.array(ids, dtype="Int64"), "kind": ["flat", "house"] * 4})
    frame.to_parquet(tmp_path / "raw.parquet")
    source = ParquetSource(str(tmp_path / "raw.parquet"), "kind", categorical=["city"], missing="impute")
    rows = example_of(source, tmp_path, Impute(strategy="most_frequent"), OneHot(max_categories=10))
    assert rows["city"].tolist() == ids[:5]
    texts = conform(rows, Features((1,), ("city",), ("city",))).texts
    assert texts[:, 0].tolist() == ["9007199254740993", None, "9007199254740994", "0", "1"]


def test_rows_that_are_lost_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "raw.npy", np.arange(40).reshape(20, 2))
    np.save(tmp_path / "y.npy", np.arange(20) % 2)
    source = NpySource(str(tmp_path / "raw.npy"), str(tmp_path / "y.npy"))
    prepared = prepare(source, Split(), [], seed=0, dtype="float32", directory=tmp_path / "prepared")
    (prepared.directory / "example.npy").unlink()
    with pytest.raises(DataError, match="has lost its example rows"):
        prepared.example()
