"""What tables hold is told aright, or refused in a line that names column, cell, row and remedy."""

from typing import Any

import numpy as np
import pytest

from tests.data.tables import column, csv, load, numbers, problems, texts

pytestmark = pytest.mark.usefixtures("workplace")


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
