"""Columns of Parquet files by their types, targets, and tables for a test."""

import datetime
import decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.errors import DataError
from tests.data.tables import column, csv, load, numbers, problems, stored, texts

pytestmark = pytest.mark.usefixtures("workplace")


DAY = datetime.date(2024, 1, 31)
TYPES = [
    ([decimal.Decimal("1.25"), decimal.Decimal("-3")], None, [1.25, -3.0]),
    ([1, None, 3], pa.int32(), [1.0, None, 3.0]),
    ([1.5, float("nan"), 3], pa.float32(), [1.5, None, 3.0]),
    ([1, 2**53], pa.uint64(), [1.0, 2.0**53]),
    ([True, None, False], None, ["True", None, "False"]),
    (["x", None, ""], pa.large_string(), ["x", None, ""]),
    (["x", "y"], pa.string_view(), ["x", "y"]),
    (["1", "2", "1"], pa.dictionary(pa.int8(), pa.string()), ["1", "2", "1"]),
]


@pytest.mark.parametrize(("values", "kind", "expected"), TYPES, ids=lambda it: str(it)[:20])
def test_parquet_by_its_types(values: list[Any], kind: Any, expected: list[Any]) -> None:
    dataset = load(stored(values, kind, missing="impute"))
    found = texts(dataset) if dataset.features.categorical else numbers(dataset)
    assert [None if value != value else value for value in found] == expected


REFUSED_TYPES = [
    ([DAY], None, "holds dates or times (date32[day]): make numbers of them, name it in data.source.categorical"),
    ([datetime.datetime(2024, 1, 1)], None, "holds dates or times (timestamp[us])"),
    ([datetime.time(1, 2)], None, "holds dates or times (time64[us])"),
    ([datetime.timedelta(1)], None, "holds dates or times (duration[us])"),
    ([[1, 2]], None, "holds list<element: int64>, not a single value in each row"),
    ([{"x": 1}], None, "holds struct<x: int64>, not a single value"),
    ([[("k", 1)]], pa.map_(pa.string(), pa.int64()), "holds map<string, int64 ('a')>, not a single value"),
    ([b"x"], None, "holds binary, not a single value"),
    (
        ["01", "2"],
        None,
        "holds numbers that are stored as text, first '01' in row 0 (counted from 0): save it",
    ),
    ([1, 2**53 + 1], None, "holds whole numbers above 2**53, first '9007199254740993' in row 1"),
]


@pytest.mark.parametrize(("values", "kind", "message"), REFUSED_TYPES, ids=[row[2][:30] for row in REFUSED_TYPES])
def test_types_that_no_network_takes_are_refused_by_name(values: list[Any], kind: Any, message: str) -> None:
    (line,) = problems(stored(values, kind))
    assert line.startswith(f"column 'a' of 'd.parquet' {message}"), line


def test_categories_keep_their_exactness() -> None:
    large = [2**53 + 1, None, 2**53 + 2, 2**53 + 1]
    expected = ["9007199254740993", None, "9007199254740994", "9007199254740993"]
    assert texts(load(stored(large, categorical=("a",), missing="impute"))) == expected
    cells = [cell or "" for cell in expected]
    assert texts(load(csv(column(*cells), categorical=("a",), missing="impute"))) == expected
    assert texts(load(stored([DAY], categorical=("a",)))) == ["2024-01-31"]


def target(*cells: str, **options: Any) -> Any:
    Path("d.csv").write_text("a,y\n" + "".join(f"1,{cell}\n" for cell in cells))
    return load(CsvSource("d.csv", "y", **options)).samples.targets.tolist()


def test_targets_are_read_with_the_same_care() -> None:
    assert target("1", "9007199254740993") == [1, 9007199254740993]
    assert target("1", "2.5") == [1.0, 2.5]
    assert target("01", "2", categorical=("y",)) == ["01", "2"]
    for cells in (
        ("01", "2"),
        ("1", "2", "?"),
        ("2024-01-01",),
        ("99999999999999999999", "1"),
        ("9007199254740993.0", "1"),
    ):
        with pytest.raises(DataError, match=r"target column 'y' of 'd\.csv' holds .*name it in data\.source\.cat"):
            target(*cells)
    values = pa.table({"a": [1, 2], "y": pa.array([decimal.Decimal("1.5"), decimal.Decimal("2")])})
    parquet.write_table(values, "d.parquet")
    assert load(ParquetSource("d.parquet", "y")).samples.targets.tolist() == [1.5, 2.0]
    large = pa.table({"a": [1, 2], "y": pa.array([decimal.Decimal(2**53 + 1), decimal.Decimal(2**53)])})
    parquet.write_table(large, "d.parquet")
    (line,) = problems(ParquetSource("d.parquet", "y"))
    assert "whole numbers above 2**53, first '9007199254740993' in row 0" in line


def test_a_test_table_is_read_by_the_kinds_of_the_other() -> None:
    Path("test.csv").write_text("a,y\n?,1\n")
    assert problems(csv("a,y\n1,2\n", test_path="test.csv")) == [
        "column 'a' of 'test.csv' is one of numbers and holds '?' in row 0 (counted from 0): "
        "set data.source.na_values: ['?'] if that is a missing value"
    ]


def test_a_number_that_counts_as_missing_matches_the_cell_that_is_written_so() -> None:
    source = csv("a,y\n-999.0,0\n1.5,1\n-999,0\n", na_values=[-999.0], missing="impute")
    np.testing.assert_array_equal(load(source).samples.inputs["a"], [np.nan, 1.5, np.nan])


def test_what_no_integer_of_64_bits_holds_is_rounded_where_it_may_be() -> None:
    large = pa.table({"a": pa.array([2**53 + 1, None], pa.int64()), "y": pa.array([2**63, 5], pa.uint64())})
    parquet.write_table(large, "d.parquet")
    samples = load(ParquetSource("d.parquet", "y", numeric=["a", "y"], missing="impute")).samples
    np.testing.assert_array_equal(samples.inputs["a"], [2.0**53, np.nan])
    assert samples.targets.tolist() == [2.0**63, 5.0]


def test_categories_are_counted_as_they_are_learnt() -> None:
    source = csv(column("x", " x", "x ", "1.0", "1", "x"))
    assert load(source).notes[0] == f"1 column of categories, each with how many: a ({len({*texts(load(source))})})"
    assert len({*texts(load(source))}) == 4
