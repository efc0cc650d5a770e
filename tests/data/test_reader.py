import gzip
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dist_bp.data import Pipeline, Prepared, Reader, Split, prepare
from dist_bp.data.preprocess.one_hot import OneHot
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.scikit_learn import SklearnSource
from dist_bp.data.tables.notation import Notation
from dist_bp.data.tables.rows import Rows
from dist_bp.errors import DataError, UserError
from tests.data.test_array_sources import IMAGES, LABELS, idx_bytes

ROWS = "n;flag;ok\n" + "".join(f"{i};{['yes', 'no', '01'][i % 3]};{'pq'[i % 2]}\n" for i in range(30))


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


SOURCE = CsvSource("d.csv", "ok", separator=";")


@pytest.fixture
def table() -> Prepared:
    Path("d.csv").write_text(ROWS)
    return prepare(SOURCE, Split(), [OneHot()], 0, "float32", "prepared")


def only(path: str, pipeline: Pipeline, labels: str | None = None, target: str | None = None, **how: Any) -> Rows:
    """The one block of a small file."""
    reader = Reader(pipeline, **how)
    (rows,) = reader.scored(path, labels, target)
    (inputs,) = reader.rows(path)
    assert len(inputs) == len(rows)
    return rows


def test_csv_is_read_as_in_training(table: Prepared) -> None:
    samples = only("d.csv", table.pipeline, source=SOURCE)
    x, y = table.pipeline.transform(samples.inputs), table.pipeline.encode_targets(samples.targets)
    assert x.shape == (30, 4)
    np.testing.assert_array_equal(y, np.arange(30) % 2)
    trained = np.concatenate([table.split(name).inputs for name in table.splits])
    np.testing.assert_array_equal(x, trained[np.argsort(trained[:, 0])])


def test_a_file_with_other_columns_and_in_another_format(table: Prepared) -> None:
    Path("new.csv").write_text("more,flag,n\n1,01,3\n1,1,4\n")
    (rows,) = Reader(table.pipeline).rows("new.csv")
    assert rows.targets is None
    assert table.pipeline.transform(rows.inputs).tolist() == [[3, 1, 0, 0], [4, 0, 0, 0]]
    (again,) = Reader(table.pipeline, SOURCE, ["separator=,"]).rows("new.csv")
    assert again.inputs.equals(rows.inputs)
    Path("new.tsv").write_text("flag\tn\n01\t3\n")
    (rows,) = Reader(table.pipeline).rows("new.tsv")
    assert rows.inputs.to_dict("list") == {"n": [3], "flag": ["01"]}
    pd.DataFrame({"n": [1], "flag": ["no"], "ok": ["q"]}).to_parquet("new.parquet")
    assert only("new.parquet", table.pipeline).targets.tolist() == ["q"]


def test_csv_for_a_model_of_plain_arrays() -> None:
    pipeline = prepare(SklearnSource("iris"), Split(), [], 0, "float32", "prepared").pipeline
    names = pipeline.features.names
    pd.DataFrame([[1, 2, 3, 4, "virginica"]], columns=[*names, "kind"]).to_csv("new.csv", index=False)
    samples = only("new.csv", pipeline, target="kind")
    assert pipeline.transform(samples.inputs).tolist() == [[1, 2, 3, 4]]
    assert pipeline.encode_targets(samples.targets).tolist() == [2]


def test_arrays(table: Prepared) -> None:
    np.save("x.npy", IMAGES)
    np.save("y.npy", LABELS)
    np.savez("d.npz", x=IMAGES, y=LABELS)
    np.savez("alone.npz", x=IMAGES)
    Path("i-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(IMAGES)))
    Path("l.idx").write_bytes(idx_bytes(LABELS))
    for path, labels in (("x.npy", "y.npy"), ("d.npz", None), ("i-idx3-ubyte.gz", "l.idx"), ("alone.npz", "l.idx")):
        samples = only(path, table.pipeline, labels)
        np.testing.assert_array_equal(samples.inputs, IMAGES)
        np.testing.assert_array_equal(samples.targets, LABELS)
    with pytest.raises(DataError, match=r"'x\.npy' has no targets: name their file with --targets"):
        only("x.npy", table.pipeline)
    np.save("short.npy", LABELS[:3])
    with pytest.raises(DataError, match=r"'x\.npy' has 5 rows, but 'short\.npy' has 3 targets"):
        only("x.npy", table.pipeline, "short.npy")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("d.xls", "the format is told by the suffix"),
        ("none.csv", "not found"),
        ("d.csv", "no column 'n'"),
        ("gap.csv", "missing in row 1"),
        (
            "word.csv",
            r"'n' of 'word.csv' is one of numbers and holds '\?' in row 1 .*--csv 'na_values=\[.\?.\]'",
        ),
        ("twice.csv", "2 columns with the name 'n'"),
    ],
)
def test_files_that_cannot_be_read(table: Prepared, path: str, message: str) -> None:
    Path("gap.csv").write_text("n,flag,ok\n1,no,p\n2,no,\n")
    Path("word.csv").write_text("n,flag,ok\n1,no,p\n?,no,p\n")
    Path("twice.csv").write_text("n,flag,ok,n\n1,no,p,2\n")
    with pytest.raises(DataError, match=message):
        only(path, table.pipeline)


def test_options_that_there_are_not(table: Prepared) -> None:
    for option, message in (
        ("sep=,", "must be NAME=VALUE with the name of an option of csv: separator"),
        ("decimal", "must be NAME=VALUE"),
        ("names=[a", "the value is not valid YAML"),
        ("skip_rows=2020-13-01", "the value is not valid YAML"),
        ("skip_rows=!!bool x", "the value is not valid YAML"),
        ('skip_rows=!!int ""', "the value is not valid YAML"),
        ("names=!!timestamp x", "the value is not valid YAML"),
        ("decimal=,,", "--csv decimal: must have at most 1 entries, got 2"),
        ("encoding=latin-77", "there is no encoding 'latin-77'"),
    ):
        with pytest.raises(UserError, match=message):
            Reader(table.pipeline, SOURCE, [option])


@pytest.mark.parametrize(
    ("content", "remedy", "expected"),
    [
        ("n;flag\n1;no\n", "separator", [1.0]),
        ("n\tflag\n1\tno\n", "separator", [1.0]),
        ("n|flag\n1|no\n", "separator", [1.0]),
        ("n flag\n1 no\n", "separator", [1.0]),
        ("n,flag\n?,no\n1,no\n", "na_values", [np.nan, 1.0]),
        ("n,flag\nit's,no\n1,no\n", "na_values", [np.nan, 1.0]),
        ('n,flag\n"a ""b"" c\'d",no\n1,no\n', "na_values", [np.nan, 1.0]),
        ("n,flag\n\\N,no\n1,no\n", "na_values", [np.nan, 1.0]),
        ("n,flag\n$X `ls`,no\n1,no\n", "na_values", [np.nan, 1.0]),
        ("n,flag\n1 000,no\n1,no\n", "thousands", [1000.0, 1.0]),
        ("n,flag\n1'000,no\n1,no\n", "thousands", [1000.0, 1.0]),
        ("n,flag\n1\u00a0000,no\n1,no\n", "thousands", [1000.0, 1.0]),
        ("n,flag\n1\u202f000,no\n1,no\n", "thousands", [1000.0, 1.0]),
        ('n,flag\n"1,000",no\n1,no\n', "thousands", [1000.0, 1.0]),
        ('n,flag\n"1.000,5",no\n1,no\n', "decimal", [1000.5, 1.0]),
        ("n,flag\n12.5%,no\n1,no\n", "strip", [12.5, 1.0]),
        ('n,flag\n"$1,200.50",no\n1,no\n', "strip", [1200.5, 1.0]),
        ("# x\nn,flag\n1,no\n", "comment", [1.0]),
        (b"n,flag\n1,\xe4\n", "encoding", [1.0]),
    ],
)
def test_what_is_printed_can_be_typed(
    table: Prepared, content: str | bytes, remedy: str, expected: list[float]
) -> None:
    """The words of the message, as a shell reads them, mend the file."""
    Path("new.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError) as caught:
        list(Reader(table.pipeline).rows("new.csv"))
    options = []
    for printed in re.split(", or | or --csv ", str(caught.value))[0].split("--csv ")[1:]:
        words = shlex.shlex(printed, posix=True)
        words.whitespace_split, words.commenters = True, ""
        options.append((words.get_token() or "").rstrip(","))
    assert options[0].startswith(f"{remedy}=")
    assert "..." not in options[0]
    (rows,) = Reader(table.pipeline, None, options).rows("new.csv")
    np.testing.assert_array_equal(rows.inputs["n"], expected)


def test_options_as_a_person_writes_them(table: Prepared) -> None:
    Path("new.csv").write_text('n\tflag\n1\t"no\n')
    source = CsvSource("d.csv", "ok", comment="1", thousands=" ")
    for options in (
        ["separator=\t", "quote=null", "comment=null"],
        ["separator=\\t", "quote='", "comment=null", "thousands=null"],
        ['separator="\\t"', "quote=null", "comment=#"],
        ["separator='\t'", "quote=|", "comment=//"],
    ):
        (rows,) = Reader(table.pipeline, source, options).rows("new.csv")
        assert rows.inputs.to_dict("list") == {"n": [1], "flag": ['"no']}, options
    with pytest.raises(UserError, match="--csv decimal: must be text, got None"):
        Reader(table.pipeline, source, ["decimal=null"])


def test_a_tab_is_one_in_yaml(table: Prepared) -> None:
    assert Notation().option("separator", repr("\t")) == 'data.source.separator: "\\t"'
    assert Notation().option("thousands", repr("\u00a0")) == 'data.source.thousands: "\\u00a0"'
    assert Notation().option("thousands", repr("'")) == 'data.source.thousands: "\'"'
