"""What tables hold is told aright, or refused in a line that names column, cell, row and remedy."""

import bz2
import datetime
import decimal
import gzip
import lzma
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from dist_bp.config import load_config
from dist_bp.data import Source
from dist_bp.data.conform import conform
from dist_bp.data.files import DigestCache
from dist_bp.data.sources.base import Dataset
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.npz import NpzSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.data.tables.csv import CsvFile, CsvForm
from dist_bp.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def in_folder(workplace: Path) -> None:
    """Each test has a folder of its own."""


def load(source: Source) -> Dataset:
    return source.open(DigestCache(Path.cwd())).load()


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


REFUSED = [
    (["1", "?", "3"], r"holds numbers, but '?' in row 1 (counted from 0): set data.source.na_values: ['?'] if"),
    (["1", "2.5", "err", "NA"], "'err' in row 2 (counted from 0): set data.source.na_values: ['err']"),
    (["1,234.50", "7", "8"], "'1,234.50' in row 0 (counted from 0): set data.source.thousands: ','"),
    (["1,234,567", "7,000,000"], "set data.source.thousands: ','"),
    (["1,234", "7"], "set data.source.thousands: ',', or data.source.decimal: ',' if it is a fraction"),
    (["0,5", "1,25", "3"], "'0,5' in row 0 (counted from 0): set data.source.decimal: ','"),
    (["0,125", "1,25", "3"], "set data.source.decimal: ','"),
    (["1.234,50", "7"], "set data.source.decimal: ',' and data.source.thousands: '.'"),
    (["1 234", "7"], "set data.source.thousands: ' '"),
    (["12.3%", "7%", "8 %"], "'12.3%' in row 0 (counted from 0): set data.source.strip: ['%'], name it"),
    (["$12.50", "$7", "$1,000"], "set data.source.strip: ['$'], name it"),
    (["-$1,200.50", "7"], "set data.source.strip: ['$'], and set data.source.thousands: ',', name it"),
    (["\u22125", "\u22127.5", "\u22121", "3"], "'\u22125' in row 0 (counted from 0): write negative numbers as -5"),
    (["(10.50)", "(3)", "2"], "write negative numbers as -10.50"),
    (["5-", "7-", "2"], "write negative numbers as -5"),
    (["<5", "<7", "<0.1", "3"], "set data.source.strip: ['<'], or set data.source.na_values: ['<5'] if that is a"),
    (["5\u2019000.5", "3"], "set data.source.thousands: '\u2019'"),
    (["5_000", "3"], "set data.source.thousands: '_'"),
    (["1,23,456", "12,34,567.50"], "set data.source.thousands: ','"),
    *(
        (
            [cell, "other", cell.replace("5", "7")],
            f"{cell!r} in row 0 (counted from 0): set data.source.strip: [{sign!r}]",
        )
        for cell, sign in (
            ("CHF 15.50", "CHF"),
            ("\u20b95", "\u20b9"),
            ("R$ 5", "R$"),
            ("USD 5", "USD"),
            ("5 EUR", "EUR"),
            ("5 kr", "kr"),
            ("$-5", "$"),
            ("-$5", "$"),
            ("5\u2030", "\u2030"),
            ("5 kg", "kg"),
            ("5kg", "kg"),
            ("-5 \u00b0C", "\u00b0C"),
            ("5.5 km/h", "km/h"),
            ("XAF 1.50", "XAF"),
            ("5 GB", "GB"),
        )
    ),
    *(
        ([cell, "other", cell], "(counted from 0): write plain numbers")
        for cell in ("($5)", "$5.2M", "\u22125 kg", "5\u00a0kg")
    ),
    (
        ["5 apples", "6 apples", "10 apples", "pears"],
        "set data.source.strip: ['apples'] if all are of that unit, or set",
    ),
    (["1 year", "2 years", "3 years", "15 years"], "'1 year' in row 0 (counted from 0): set data.source.strip"),
    (["1.5M", "2M", "12.5M", "many"], "'1.5M' in row 0 (counted from 0): write plain numbers"),
    (["5x", "10x", "15x"], "set data.source.strip: ['x']"),
    (["01234", "99999"], "holds numbers with leading zeros, first '01234' in row 0"),
    (["1", "-007"], "holds numbers with leading zeros, first '-007' in row 1"),
    (["1", "9007199254740993"], "holds whole numbers above 2**53, first '9007199254740993' in row 1"),
    (["2024-01-31", "2024-02-01"], "holds dates or times, first '2024-01-31' in row 0"),
    (["", "31.12.2024", "1.1.2025"], "holds dates or times, first '31.12.2024' in row 1"),
    (["2024-01-31T10:00:00Z", "2024-01-31 10:00"], "holds dates or times"),
    (["10:30", "11:15 pm"], "holds dates or times"),
    (["31 Jan 2024", "Feb 1, 2024"], "holds dates or times"),
    *(
        ([cell, "other", cell], f"holds dates or times, first {cell!r}")
        for cell in (
            "2024-01",
            "Jan 2024",
            "01/2024",
            "2024-W02",
            "2024-W02-3",
            "10 January",
            "January 10",
            "20240110T220607",
            "20240110T220607Z",
            "Wed Jan 10 22:06:07 2024",
            "Wed Jan 10 22:06:07 UTC 2024",
            "2024.01.10.",
            "10.01.",
            "Wed, 10 Jan 2024 22:06:07 GMT",
            "Wednesday, January 10, 2024",
            "10-JAN-24",
            "Jan-24",
            "2024-Q1",
            "2024 May",
            "10th of May 2024",
            "Jan 10 22:06:07",
            "2024-01-10T22:06:07.5+01:00",
            "2024. 1. 10.",
        )
    ),
]


@pytest.mark.parametrize(("cells", "message"), REFUSED, ids=lambda it: it[0] if isinstance(it, list) else "")
def test_what_looks_like_numbers_or_dates_is_no_category_in_silence(cells: list[str], message: str) -> None:
    lines = problems(csv(column(*cells), missing="impute"))
    assert len(lines) == 1
    assert lines[0].startswith("column 'a' of 'd.csv' ")
    assert message in lines[0]
    assert lines[0].endswith("or leave it out (data.source.exclude)")
    named = csv(column(*cells), categorical=("a",), missing="impute")
    assert texts(load(named)) == [None if cell in ("", "NA") else cell for cell in cells]


CATEGORIES = [
    ["1", "2", "three", "four"],
    ["192.168.0.1", "10.0.0.1"],
    ["10-14", "15-19", "20+"],
    ["1st", "2nd"],
    ["A1", "A2", "7"],
    ["true", "false"],
    ["1.2.3", "1.10.0"],
    ["A12", "A13", "A14", "B1"],
    ["12B", "13B", "14B"],
    ["12a", "14a", "16a", "18b"],
    ["Q1", "Q2", "Q3"],
    ["2XL", "3XL", "4XL"],
    ["40 EU", "41 EU", "42.5 EU"],
    ["1st", "4th", "5th", "6th"],
    ["1970s", "1980s", "1990s"],
    ["10-20", "20-30", "30-40"],
    ["<=50K", ">50K"],
    ["<18", ">65", "18-65"],
    ["v1.2", "v1.3", "v1.10"],
    ["J45.9", "A12.5", "B20.1"],
    ["Group 1", "Group 2", "Group 3"],
    ["12 Main Street", "14 Elm Street", "3 Oak Street"],
    ["7 Up", "7 Up", "Cola"],
    ["0150 Oslo", "0151 Oslo", "0152 Oslo"],
    ["Jan", "Feb", "May"],
    ["Mon", "Tue", "Wed"],
    ["3/4", "5/10", "1/12"],
    ["Decile 1", "Market 10", "Augusta 3"],
    ["KLM 123", "SAS 45", "ABC 7"],
]


ROUNDED = [
    ({"thousands": ","}, "9,007,199,254,740,993", "1", "whole numbers above 2**53"),
    ({"thousands": " ", "decimal": ","}, "9 007 199 254 740 993,00", "1,5", "whole numbers above 2**53"),
    ({}, "9007199254740993.0", "1", "whole numbers above 2**53"),
    ({}, "-9007199254740993.", "1.5", "whole numbers above 2**53"),
    ({"thousands": ".", "decimal": ","}, "0.123", "1.000", "numbers with leading zeros"),
]


@pytest.mark.parametrize(("options", "cell", "other", "what"), ROUNDED, ids=lambda it: str(it)[:25])
def test_no_way_of_writing_it_hides_a_number_that_would_lose_digits(
    options: dict[str, Any], cell: str, other: str, what: str
) -> None:
    (line,) = problems(csv(column(other, cell), **options))
    assert line.startswith(f"column 'a' of 'd.csv' holds {what}, first '{cell}' in row 1 (counted from 0): name it in")
    lone = csv(column(other, cell.replace("993", "992").replace("0.123", "123")), **options)
    assert numbers(load(lone))[1] in (2.0**53, -(2.0**53), 123.0)


@pytest.mark.parametrize("cells", CATEGORIES, ids=lambda it: it[0])
def test_what_is_mostly_text_is_categories(cells: list[str]) -> None:
    assert texts(load(csv(column(*cells)))) == [{"true": "True", "false": "False"}.get(cell, cell) for cell in cells]


WRITTEN = [
    ({"decimal": ","}, ["0,5", "-1,25", "3"], [0.5, -1.25, 3.0]),
    ({"thousands": ","}, ["1,234.50", "7", "1,000,000"], [1234.5, 7.0, 1e6]),
    ({"decimal": ",", "thousands": "."}, ["1.234,50", "7"], [1234.5, 7.0]),
    ({"thousands": " "}, ["1 234", "-7"], [1234.0, -7.0]),
    ({"strip": ("%",)}, ["12.3%", "-7 %", "8"], [12.3, -7.0, 8.0]),
    ({"strip": ("$", "EUR"), "thousands": ","}, ["-$1,200.50", "$ 3", "$-4", "5 EUR"], [-1200.5, 3.0, -4.0, 5.0]),
    ({"na_values": ("?", -9.0), "missing": "impute"}, ["1", "?", "-9", "NA"], [1.0, None, None, None]),
    ({"numeric": ("a",)}, ["007", "8"], [7.0, 8.0]),
    ({}, [" 1", "+2", "3.", ".5", "1e3", "-1E-2"], [1.0, 2.0, 3.0, 0.5, 1000.0, -0.01]),
    ({}, ["9007199254740992", "-3"], [2.0**53, -3.0]),
]


@pytest.mark.parametrize(("options", "cells", "expected"), WRITTEN, ids=lambda it: str(it)[:30])
def test_options_say_how_numbers_are_written(options: dict[str, Any], cells: list[str], expected: list[Any]) -> None:
    found = numbers(load(csv(column(*cells), **options)))
    assert [None if np.isnan(number) else number for number in found] == expected


@pytest.mark.parametrize(
    ("options", "cell"),
    [
        ({"thousands": ","}, "1,2"),
        ({"decimal": ","}, "1.5"),
        ({}, "0x10"),
        ({}, "1_000"),
        ({"thousands": ","}, "12,34,5"),
        ({"strip": ["%"]}, "%2%%"),
    ],
)
def test_what_is_not_written_so_is_refused(options: dict[str, Any], cell: str) -> None:
    assert f"'{cell}' in row 1" in problems(csv(column("1", cell, "3"), **options))[0]


def test_categories_keep_what_stands_beside_a_number() -> None:
    source = csv(column("5%", "$5", "5"), categorical=("a",), strip=["%", "$"])
    assert texts(load(source)) == ["5%", "$5", "5"]


def test_words_for_missing_are_counted_and_can_be_kept() -> None:
    cells = ["None", "red", "NA", "", "blue"]
    line = problems(csv(column(*cells)))[0]
    assert line.startswith(
        "column 'a' of 'd.csv' has 3 missing values, first in row 0 (counted from 0): set data.source.m"
    )
    assert "counted as missing: 1 'None', 1 'NA', 1 empty (data.source.keep_default_na: false keeps words)" in line
    kept = load(csv(column(*cells), keep_default_na=False, missing="impute"))
    assert texts(kept) == ["None", "red", "NA", None, "blue"]
    assert kept.notes == (
        "1 column of categories, each with how many: a (4)",
        "1 cell counted as missing (1 empty): a 1",
    )


def test_training_says_what_it_took_for_what_in_few_lines() -> None:
    names = [f"n{place}" for place in range(100)]
    row = ["5"] * 100
    text = f"id,t,{','.join(names)},y,note\n" + "".join(f"k{i},{'pq'[i % 2]},{','.join(row)},{i},x\n" for i in range(4))
    text = text.replace("k1,q,5,", "k1,NULL,,")
    source = csv(text, id_column="id", exclude=("note",), missing="impute")
    assert load(source).notes == (
        "100 columns of numbers: n0, n1, n2, n3, n4, n5, n6, n7 and 92 more",
        "1 column of categories, each with how many: t (2)",
        "2 cells counted as missing (1 'NULL', 1 empty): t 1, n0 1",
        "left out: id, note",
    )
    assert len(problems(csv("\n".join([*text.replace("5,", "?,1,").splitlines()[:1], "1,2"]), missing="impute"))) < 12


def test_many_columns_of_one_kind_are_few_lines() -> None:
    text = ";".join(f"c{place}" for place in range(50)) + ";y\n" + ("0,5;" * 50 + "1\n") * 3
    lines = problems(csv(text, separator=";"))
    assert len(lines) == 11
    assert lines[-1] == "40 more columns of 'd.csv' are like these"


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
            assert problems(source) == [f"data file {path!r} is not a file"]


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


def test_a_number_that_counts_as_missing_matches_the_cell_that_is_written_so() -> None:
    source = csv("a,y\n-999.0,0\n1.5,1\n-999,0\n", na_values=[-999.0], missing="impute")
    np.testing.assert_array_equal(load(source).samples.inputs["a"], [np.nan, 1.5, np.nan])


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
@pytest.mark.parametrize("quoted", ['1,"big pipe\n', '1,"big pipe\n"",\n', '1,"big\n5"" pipe\n'])
def test_a_quote_that_is_never_closed_swallows_no_rows(quoted: str, end: str) -> None:
    rows = "\n".join(f"{row},good" for row in range(8))
    for first in ('0,5" pipe\n', "0,pipe\n"):
        [line] = problems(csv(f"y,t\n{first}{quoted}{rows}{end}"))
        assert "a quote in the record that begins in line 3 is never closed" in line


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
