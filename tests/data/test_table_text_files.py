"""Forms, encodings and damages of text files: read aright, or refused in a line."""

import bz2
import gzip
import lzma
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dist_bp.config import load_config
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.data.tables.csv import CsvFile, CsvForm
from dist_bp.errors import ConfigError, DataError
from tests.data.tables import csv, load, numbers, problems, texts

pytestmark = pytest.mark.usefixtures("workplace")


FORMS: list[tuple[str, dict[str, Any]]] = [
    ("a,t,y\n1,x,3.5\n2,y,4.5\n", {}),
    ("a,t,y\n1,x,3.5,\n2,y,4.5,\n", {}),
    ("a,t,y,\n1,x,3.5,\n2,y,4.5,\n", {}),
    ("\ufeffa,t,y\r\n1,x,3.5\r\n\r\n2,y,4.5", {}),
    ("# of 2024\na,t,y\n# more\n1,x,3.5\n2,y,4.5\n", {"comment": "#"}),
    ("a title\n\na,t,y\n1,x,3.5\n2,y,4.5\n", {"skip_rows": 2}),
    ("1,x,3.5\n2,y,4.5\n", {"header": False, "names": ("a", "t", "y")}),
    ("a,a,a\n1,x,3.5\n2,y,4.5\n", {"names": ("a", "t", "y")}),
    ("a, t, y\n1, x, 3.5\n2, y, 4.5\n", {"skip_initial_space": True}),
    ("a  t   y\n1  x  3.5\n2  y   4.5\n", {"separator": " ", "skip_initial_space": True}),
    ("a;t;y\n1;x;3,5\n2;y;4,5\n", {"separator": ";", "decimal": ","}),
    ('"a","t","y"\n"1","x","3.5"\n2,"y",4.5\n', {}),
    ("a\tt\ty\n1\tx\t3.5\n2\ty\t4.5\n", {"separator": "\t", "quote": None}),
    ("a,t,y\n'1','x',3.5\n2,y,'4.5'\n", {"quote": "'"}),
    (",a,t,y\n0,1,x,3.5\n1,2,y,4.5\n", {}),
    ("k,a,t,y\n0,1,x,3.5\n1,2,y,4.5\n", {"exclude": ("k",)}),
    ("k,k,a,t,y\n0,0,1,x,3.5\n1,0,2,y,4.5\n", {"features": ("a", "t")}),
]


@pytest.mark.parametrize(("text", "options"), FORMS, ids=lambda it: str(it)[:20])
def test_forms_of_a_text_file(text: str, options: dict[str, Any]) -> None:
    dataset = load(csv(text, **options))
    assert dataset.features.names == ("a", "t")
    assert dataset.samples.inputs.to_dict("list") == {"a": [1, 2], "t": ["x", "y"]}
    assert dataset.samples.targets.tolist() == [3.5, 4.5]


def test_quotes_that_mean_nothing() -> None:
    text = 'a,y\n"one,1.5\ntwo",2.5\n'
    assert texts(load(csv(text, quote=None))) == ['"one', 'two"']
    assert texts(load(csv(text, quote=None, comment="#"))) == ['"one', 'two"']
    swallowed = load(csv('a,y\n"one,1.5\ntwo",2.5\nthree,3.5\n'))
    assert swallowed.notes[-1] == "1 cell with a line end between quotes: a 1"
    (line,) = problems(csv(text.replace('two"', "two")))
    assert line.endswith("is never closed: mend it, or set data.source.quote: null where quotes mean nothing")


def test_an_index_that_has_no_name_is_told_to_be_left_out() -> None:
    dataset = load(csv(",a,y\n0,1,3.5\n1,2,4.5\n"))
    assert dataset.notes[-1] == "left out: column 0 (counted from 0; it has no name, as an index that pandas wrote)"
    frame = pd.DataFrame({"a": [1, 2], "y": [3.5, 4.5]}, index=[5, 7])
    frame.to_parquet("d.parquet")
    assert load(ParquetSource("d.parquet", "y")).notes[-1] == "left out: __index_level_0__ (an index without a name)"
    frame.rename_axis("k").to_parquet("d.parquet")
    assert load(ParquetSource("d.parquet", "y")).features.names == ("a", "k")


def test_encodings() -> None:
    text = "a,y\nröd,1.5\ngrön,2.5\n"
    for encoding in ("latin-1", "cp1252", "utf-16", "utf-8-sig"):
        assert texts(load(csv(text, encoding, encoding=encoding))) == ["röd", "grön"]
    assert (
        "is not written in utf-8 (byte 0xf6): set its encoding, such as data.source.encoding: latin-1"
        in problems(csv(text, "latin-1"))[0]
    )
    assert "such as data.source.encoding: utf-16" in problems(csv(text, "utf-16"))[0]


@pytest.mark.parametrize("name", ["utf-8", "UTF8", "U8", "cp65001", "utf-8-sig"])
def test_a_byte_order_mark_is_no_part_of_a_name_whatever_utf_8_is_called(name: str) -> None:
    assert texts(load(csv("a,y\nx,1.5\nz,2.5\n", "utf-8-sig", encoding=name))) == ["x", "z"]


def test_compressed_files() -> None:
    text = b"a,y\n1,1.5\n2,2.5\n"
    for suffix, packed in ((".gz", gzip.compress(text)), (".bz2", bz2.compress(text)), (".xz", lzma.compress(text))):
        Path(f"d.csv{suffix}").write_bytes(packed)
        assert numbers(load(CsvSource(f"d.csv{suffix}", "y"))) == [1, 2]
        Path(f"torn.csv{suffix}").write_bytes(packed[:-9])
        assert len(problems(CsvSource(f"torn.csv{suffix}", "y"))) == 1
    Path("d.tsv.gz").write_bytes(gzip.compress(text.replace(b",", b"\t")))
    assert numbers(load(CsvSource("d.tsv.gz", "y"))) == [1, 2]
    with zipfile.ZipFile("d.zip", "w") as archive:
        archive.writestr("d.csv", text)
    assert numbers(load(CsvSource("d.zip", "y"))) == [1, 2]
    with zipfile.ZipFile("d.zip", "a") as archive:
        archive.writestr("more.csv", text)
    assert problems(CsvSource("d.zip", "y")) == [
        "data file 'd.zip' is an archive of 2 files: unpack the one that is meant"
    ]


@pytest.mark.parametrize(("flags", "method", "reason"), [(1, 0, "is encrypted"), (0, 97, "compression")])
def test_an_archive_that_cannot_be_unpacked_is_told_in_a_line(flags: int, method: int, reason: str) -> None:
    for name, members in (("d.zip", ["d.csv"]), ("d.npz", ["x.npy", "y.npy"])):
        with zipfile.ZipFile(name, "w") as archive:
            for member in members:
                archive.writestr(member, b"a,y\n1,1.5\n")
        content = Path(name).read_bytes()
        for header, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            parts = content.split(header)
            content = header.join([parts[0], *(damaged(part, at - 4, flags, method) for part in parts[1:])])
        Path(name).write_bytes(content)
    for source in (CsvSource("d.zip", "y"), NpzSource("d.npz")):
        (line,) = problems(source)
        assert reason in line


def damaged(part: bytes, at: int, flags: int, method: int) -> bytes:
    """A header of a zip file, after its four signs, that tells of other flags and another method at a place."""
    return part[:at] + struct.pack("<HH", flags, method) + part[at + 4 :]


BROKEN = [
    ("a,y\n1,2\n3,4,5\n", {}, "line 3, row 1 (counted from 0), has 3 fields, the header 2: put quotes around a value"),
    (
        "1,2\n3,4,5\n",
        {"header": False, "names": ("a", "y")},
        "line 2, row 1 (counted from 0), has 3 fields, data",
    ),
    ("a,y\n1,2\n3,\0\n", {}, "has a NUL byte in line 3"),
    ('a,y\n1,2\n"3,4\n5,6\n', {}, "a quote in the record that begins in line 3 is never closed"),
    ('a,y\n1,2\n"' + "x," * 100_000, {}, "more than 131,072 characters: is a quote not closed?"),
    ("# of 2024\na,y\n1,2\n", {}, "if it is a comment, set data.source.comment: '#' or data.source.skip_rows: 1"),
    ("1,2\n3,4\n", {}, "holds numbers: if it has no header, set data.source.header: false"),
    ("a\ty\n1\t2\n", {}, 'has only one column: set data.source.separator: "\\t"'),
    ("a y\n1 2\n", {}, "has only one column: set data.source.separator: ' '"),
    ("a,y\n1,2\n", {"names": ("a", "b", "y")}, "has 2 columns, but data.source.names has 3"),
    ("", {}, "is empty"),
    ("a,y,y\n1,2,3\n", {}, "target: data file 'd.csv' has 2 columns with the name 'y': give each a name of its own"),
    ("a,a,y\n1,2,3\n", {}, "features: data file 'd.csv' has 2 columns with the name 'a'"),
    ("a,y\n1,2\n", {"exclude": ("b",)}, "exclude: data file 'd.csv' has no column 'b'"),
    ("a,y\n1,2\n", {"id_column": "b"}, "id_column: data file 'd.csv' has no column 'b'"),
    ("a,b,y\n1,2,3\n", {"categorical": ("b",), "exclude": ("b",)}, "categorical: 'b' is not among the features 'a'"),
]


@pytest.mark.parametrize(("text", "options", "message"), BROKEN, ids=[row[2][:30] for row in BROKEN])
def test_broken_files_are_told_in_our_words(text: str, options: dict[str, Any], message: str) -> None:
    lines = problems(csv(text, **options))
    assert any(message in line for line in lines), lines


@pytest.mark.parametrize("text", ["size\n1\n", "size of it\n1\n", "at: size\n12:30:00\n"])
def test_a_table_of_one_column_is_not_suspected_of_another_separator(text: str) -> None:
    (line,) = problems(csv(text))
    assert "no column 'y'" in line


def test_words_for_missing_are_text_or_numbers() -> None:
    Path("job.yaml").write_text("data: {source: {type: csv, path: d.csv, target: y, na_values: [null, x, -9]}}")
    with pytest.raises(ConfigError) as caught:
        load_config("job.yaml")
    assert "job.yaml:1: data.source.na_values.0: must be text or a number, got nothing" in caught.value.problems


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"header": False}, "names: is required with header: false"),
        ({"strip": ["%", "0"]}, "strip: '0' may be part of a number"),
        ({"strip": ["\u2212"]}, "strip: '\u2212' may be part of a number"),
        ({"strip": ["("]}, "strip: '(' may be part of a number"),
        ({"thousands": ",", "strip": [","]}, "strip: ',' may be part of a number"),
        ({"separator": ";", "thousands": "."}, "thousands: must be another than that of decimal"),
        ({"encoding": "latin-77"}, "encoding: there is no encoding 'latin-77'"),
        ({"encoding": "hex"}, "encoding: 'hex' is no encoding of text"),
        ({"exclude": ("y",)}, "exclude: must not be the target column 'y'"),
        ({"id_column": "y"}, "id_column: must not be the target column 'y'"),
        ({"features": ("a",), "exclude": ("a",)}, "features: 'a' is in exclude or id_column, too"),
        ({"numeric": ("a",), "categorical": ("a",)}, "numeric: 'a' is in categorical, too"),
    ],
)
def test_options_that_do_not_go_together(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        CsvSource("d.csv", "y", **options)
    assert message in str(caught.value)


def test_what_is_no_file_is_refused_at_once() -> None:
    os.mkfifo("pipe.csv")
    Path("folder.csv").mkdir()
    for path in ("pipe.csv", "folder.csv", "/dev/zero"):
        for source in (CsvSource(path, "y"), ParquetSource(path, "y")):
            folder = " but a folder: name a file in it" if path == "folder.csv" else ""
            assert problems(source) == [f"data file {path!r} is not a file{folder}"]


RAW = st.lists(st.sampled_from(["a", "1", ",", ",", ",", '"', "\n", "\r\n", " ", "é", "\0", "x,y,z\n"]), max_size=30)


@given(RAW, st.booleans())
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_quick_way_reads_what_line_by_line_reads(parts: list[str], header: bool) -> None:
    Path("d.csv").write_text(("h,i,j\n" if header else "") + "x,y,z\n" + "".join(parts), newline="")

    def read(**form: Any) -> Any:
        file = CsvFile("d.csv", CsvForm(header=header, names=("h", "i", "j"), **form))
        try:
            return file.read(["h", "j"]).to_pydict()
        except DataError as error:
            return error.problems

    assert read() == read(comment="no line begins so")


def test_lines_that_are_not_as_the_others_do_not_slow_down_or_double_the_rest() -> None:
    lines = [f"{row},{row % 7}" for row in range(200_000)]
    lines[150_000] += ","
    found = load(csv("\n".join(["a,y", *lines])))
    assert found.samples.inputs["a"].tolist() == list(range(200_000))


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
@pytest.mark.parametrize("quoted", ['1,"big pipe\n', '1,"big pipe\n"",\n', '1,"big\n5"" pipe\n'])
def test_a_quote_that_is_never_closed_swallows_no_rows(quoted: str, end: str) -> None:
    rows = "\n".join(f"{row},good" for row in range(8))
    for first in ('0,5" pipe\n', "0,pipe\n"):
        [line] = problems(csv(f"y,t\n{first}{quoted}{rows}{end}"))
        assert "a quote in the record that begins in line 3 is never closed" in line
