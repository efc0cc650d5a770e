"""Tables as a source: kinds of columns, missing values, columns that are not there."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dist_bp.data.conform import conform
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.errors import ConfigError
from tests.data.tables import CSV, load, problems, write_csv

pytestmark = pytest.mark.usefixtures("workplace")


def test_csv_kinds_are_inferred() -> None:
    write_csv(CSV)
    dataset = load(CsvSource("d.csv", "price"))
    assert dataset.features.names == ("size", "town", "fine")
    assert dataset.features.categorical == ("town", "fine")
    inputs = conform(dataset.samples.inputs, dataset.features)
    assert inputs.numbers.tolist() == [[1], [2.5], [3]]
    assert inputs.texts.tolist() == [["Bonn", "True"], ["Köln", "True"], ["Bonn", "False"]]
    assert dataset.samples.targets.dtype == np.int64
    assert dataset.column == "price"


def test_csv_columns_can_be_chosen_and_declared() -> None:
    write_csv(CSV.replace(",", ";").replace("1;", "007;"))
    source = CsvSource("d.csv", "price", ("town", "size"), ("town", "size"), separator=";")
    dataset = load(source)
    inputs = conform(dataset.samples.inputs, dataset.features)
    assert inputs.texts.tolist() == [["Bonn", "007"], ["Köln", "2.5"], ["Bonn", "3"]]
    numeric = load(CsvSource("d.csv", "price", ("size", "town"), numeric=("size",), separator=";"))
    inputs = conform(numeric.samples.inputs, numeric.features)
    assert inputs.numbers.tolist() == [[7], [2.5], [3]]


GAPS = "a,t,y\n1,x,1\n,y,2\n3,,3\n4,z,\n5,x,5\n"


def test_csv_missing_values() -> None:
    write_csv(GAPS)
    lines = problems(CsvSource("d.csv", "y"))
    assert [line.split(":")[0] for line in lines] == [
        f"column {name!r} of 'd.csv' has 1 missing values, first in row {row} (counted from 0)"
        for name, row in (("a", 1), ("t", 2), ("y", 3))
    ]
    dropped = load(CsvSource("d.csv", "y", missing="drop")).samples
    assert dropped.inputs["a"].tolist() == [1, 5]
    assert dropped.targets.tolist() == [1, 5]
    assert dropped.targets.dtype == np.int64
    assert "'y'" in problems(CsvSource("d.csv", "y", missing="impute"))[0]
    write_csv(GAPS.replace("z,\n", "z,4\n"))
    dataset = load(CsvSource("d.csv", "y", missing="impute"))
    inputs = conform(dataset.samples.inputs, dataset.features)
    assert np.isnan(inputs.numbers[:, 0]).tolist() == [False, True, False, False, False]
    assert inputs.texts[:, 0].tolist() == ["x", "y", None, "z", "x"]


def test_csv_columns_that_are_not_there() -> None:
    write_csv(CSV)
    lines = problems(CsvSource("d.csv", "prize", features=("sise", "town")))
    assert len(lines) == 2
    assert "target: data file 'd.csv' has no column 'prize' (did you mean 'price'?)" in lines
    assert "'sise' (did you mean 'size'?)" in lines[1]
    assert "'color' is not among the features" in problems(CsvSource("d.csv", "price", categorical=("color",)))[0]
    with pytest.raises(ConfigError, match=r"categorical: must be among data.source.features, which lacks 'color'"):
        CsvSource("d.csv", "price", features=("size",), categorical=("color",))
    write_csv("a;b;y\n1;2;3\n")
    assert "only one column: set data.source.separator: ';'" in problems(CsvSource("d.csv", "y"))[-1]
    write_csv("y\n1\n")
    assert "no columns besides the target" in problems(CsvSource("d.csv", "y"))[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "'d.csv' is empty"),
        (b"a,y\n1,2\n1,2,3\n", "line 3, row 1 (counted from 0), has 3 fields, the header 2: put quotes"),
        (b"a,y\n1,2,3\n1,2,3\n", "line 2, row 0 (counted from 0), has 3 fields"),
        (b"a,y\n1,2\n1\n", "'y' of 'd.csv' has 1 missing values, first in row 1"),
        (
            b"a,y\n\xff\xfe,2\n",
            "not written in utf-8 (byte 0xff): set its encoding, such as data.",
        ),
        (b"a,y\n1,2\ninf,3\n", "infinite value, first in row 1"),
    ],
)
def test_damaged_csv(content: bytes, message: str) -> None:
    Path("d.csv").write_bytes(content)
    assert message in problems(CsvSource("d.csv", "y"))[0]


def test_the_test_table_follows_the_kinds_of_the_other() -> None:
    write_csv("a,t,y\n1,x,1\n2,y,2\n")
    write_csv("y,t,a\n1,1,3\n2,2,4\n", "test.csv")
    dataset = load(CsvSource("d.csv", "y", test_path="test.csv"))
    assert dataset.test is not None
    inputs = conform(dataset.test.inputs, dataset.features)
    assert inputs.numbers.tolist() == [[3], [4]]
    assert inputs.texts.tolist() == [["1"], ["2"]]
    write_csv("y,t\n1,1\n", "test.csv")
    assert "'test.csv' has no column 'a'" in problems(CsvSource("d.csv", "y", test_path="test.csv"))[0]


def test_parquet() -> None:
    frame = pd.DataFrame({"a": [1, None, 3], "t": ["x", "y", None], "b": [True, False, True], "y": ["p", "q", "p"]})
    frame.to_parquet("d.parquet")
    assert len(problems(ParquetSource("d.parquet", "y"))) == 2
    dataset = load(ParquetSource("d.parquet", "y", missing="impute"))
    assert dataset.features.categorical == ("t", "b")
    inputs = conform(dataset.samples.inputs, dataset.features)
    assert inputs.texts.tolist() == [["x", "True"], ["y", "False"], [None, "True"]]
    assert dataset.samples.targets.tolist() == ["p", "q", "p"]
    Path("bad.parquet").write_text("nothing")
    assert "'bad.parquet' is not a readable parquet file" in problems(ParquetSource("bad.parquet", "y"))[0]
    frame.assign(a=pd.Timestamp("2020-01-01"), t="x").to_parquet("d.parquet")
    assert "'a' of 'd.parquet' holds dates or times (timestamp" in problems(ParquetSource("d.parquet", "y"))[0]


def test_a_table_that_pandas_wrote_with_an_index(workplace: Path) -> None:
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0, 4.0], "price": [1.5, 2.5, 3.5, 4.5]})
    frame.iloc[1:].to_parquet("numbered.parquet")
    frame.set_index("size").to_parquet("named.parquet")
    for name, rows in (("numbered.parquet", 3), ("named.parquet", 4)):
        dataset = load(ParquetSource(name, "price"))
        assert dataset.features.names == ("size",)
        assert len(dataset.samples.inputs) == rows
