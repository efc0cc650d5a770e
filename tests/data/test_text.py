"""Files of text, and what they hold."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from dist_bp.data.preprocess.categories import CategoriesStep
from dist_bp.data.preprocess.one_hot import OneHot
from dist_bp.data.preprocess.standardize import Standardize
from dist_bp.data.preprocess.tokenize import Tokenize
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.json_lines import JsonLinesSource
from dist_bp.data.sources.lines import LinesSource
from dist_bp.data.sources.parquet import ParquetSource
from dist_bp.data.text.reading import end_of_text, read_text, text_blocks, text_lines
from dist_bp.errors import DataError, OptionError
from dist_bp.signals import Field
from tests.data.texts import LINES, decoded, load, make, problems, written

pytestmark = pytest.mark.usefixtures("workplace")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_those_that_were_written(encoding: str, end: str) -> None:
    path = written(end.join(["é\u0085one", "", "two\x0b", "three"]), encoding=encoding)
    wanted = "utf-8" if encoding == "utf-8-sig" else encoding
    assert list(text_lines(path, wanted)) == ["é\u0085one", "", "two\x0b", "three"]


def test_ends_of_lines_and_characters_may_lie_between_two_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dist_bp.data.text.reading.BLOCK_BYTES", 1)
    path = written("aé\r\n\rb€\r\rc", encoding="utf-8")
    assert read_text(path, "utf-8") == "aé\n\nb€\n\nc"
    Path("t.txt").write_bytes(b"a\r\nb\rc\r\n\xff")
    with pytest.raises(DataError, match=r"'t.txt' is not written in utf-8: line 4 holds the byte 0xff"):
        read_text("t.txt", "utf-8")


@pytest.mark.parametrize("by", ["characters", "words", "bpe"])
@pytest.mark.parametrize("end", [" ", "\r\n"])
def test_a_long_line_comes_in_parts_with_the_same_tokens(by: Any, end: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = end.join(f"some naïve   words {row}," for row in range(400))
    path, whole = written(text, encoding="utf-8"), text.replace("\r\n", "\n")
    monkeypatch.setattr("dist_bp.data.text.reading.BLOCK_BYTES", 100)
    parts = [*text_blocks(path, "utf-8")]
    assert "".join(parts) == whole
    assert len(parts) > 50
    assert max(map(len, parts)) < 300
    tokenizer = Tokenize(by=by).fitted(iter([whole]), ("text",), "text", "x").tokenizer
    np.testing.assert_array_equal(tokenizer.encode(parts).values, tokenizer.encode([whole]).values)
    written("x" * 1000, encoding="utf-8")
    assert "".join(text_blocks(path, "utf-8")) == "x" * 1000


def test_a_text_that_is_no_sample_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dist_bp.data.text.reading.LARGEST_TEXT", 100)
    monkeypatch.setattr("dist_bp.data.text.reading.BLOCK_BYTES", 16)
    path = written("a\n" + "b" * 100 + "\nc")
    assert [*map(len, text_lines(path, "utf-8"))] == [1, 100, 1]
    many = "has more than 100 characters"
    with gzip.open("t.txt.gz", "wb") as file:
        file.write(b"a\n" + b"b" * 101 + b"\n")
    with pytest.raises(DataError, match=rf"^data file 't\.txt\.gz': line 2 {many}, which is too much for a sample"):
        list(text_lines("t.txt.gz", "utf-8"))
    with pytest.raises(DataError, match=rf"^text file 't\.txt' {many}"):
        read_text(path, "utf-8")
    assert end_of_text(path, "utf-8", 4) == "bb\nc"


def test_a_byte_that_does_not_decode_is_told_with_its_line() -> None:
    Path("t.txt").write_bytes(b"DESC:x one\nDESC:y caf\xe9\n")
    assert problems(LinesSource("t.txt"), Tokenize()) == [
        "data file 't.txt' is not written in utf-8: line 2 holds the byte 0xe9: name its encoding, such as "
        "data.source.encoding: latin-1"
    ]
    assert load(LinesSource("t.txt", encoding="latin-1")).samples.inputs["text"][1] == "café"


def test_lines_hold_labels_and_texts() -> None:
    path = written("\n".join(LINES) + "\n\n")
    prepared = make(LinesSource(path), Tokenize())
    assert prepared.schema.classes == ("ham", "spam")
    tokens = len(prepared.pipeline.transforms[0].tokenizer.tokens)  # type: ignore[attr-defined]
    assert prepared.schema.inputs == Field((), "int", ragged=True, count=tokens, unseen=0)
    found = {
        text: label for text, label in zip(decoded(prepared, "train"), prepared.split("train").targets, strict=True)
    }
    rows = {line.split(" ", 1)[1]: line.startswith("spam") for line in LINES}
    assert len(found) == 21
    assert all(rows[text] == bool(label) for text, label in found.items())


def test_a_pattern_says_where_label_and_text_are() -> None:
    path = written("DESC:manner How did it ?\nLOC:city Where is it ?\n")
    samples = LinesSource(path, pattern=r"(?P<label>\w+):\w+ (?P<text>.*)").samples(path)
    assert samples.targets.tolist() == ["DESC", "LOC"]
    assert samples.inputs["text"].tolist() == ["How did it ?", "Where is it ?"]
    with pytest.raises(DataError) as caught:
        LinesSource(path, pattern=r"(?P<label>DESC):\w+ (?P<text>.*)").samples(path)
    assert caught.value.problems == [
        "data file 't.txt': line 2 is not as data.source.pattern says: 'LOC:city Where is it ?'"
    ]
    for pattern, reason in (("(", "is no regular expression"), ("(?P<label>.*)", "must have the groups")):
        with pytest.raises(OptionError, match=reason):
            LinesSource(path, pattern=pattern)


def test_columns_of_text_are_as_they_are_written() -> None:
    written('v,y\n" NA ",0\n,1\nTRUE,0\n1.0,1\n', "d.csv")
    source = CsvSource("d.csv", "y", text=["v"])
    assert load(source).samples.inputs["v"].tolist() == [" NA ", "", "TRUE", "1.0"]
    assert "1 column of text: v" in load(source).notes
    parquet.write_table(pa.table({"v": ["a", None], "y": [0, 1]}), "d.parquet")
    assert "column 'v' of 'd.parquet' has 1 missing values" in problems(ParquetSource("d.parquet", "y", text=["v"]))[0]


def test_json_lines_are_a_table() -> None:
    written('{"v": "a b", "n": 1, "y": "p"}\n\n{"n": 2.5, "y": "q", "v": "c"}\n{"v": "", "y": "p"}\n', "d.jsonl")
    found = load(JsonLinesSource("d.jsonl", "y", text=["v"], missing="impute"))
    assert found.samples.inputs["v"].tolist() == ["a b", "c", ""]
    assert found.samples.inputs["n"].tolist()[:2] == [1, 2.5]
    assert found.samples.targets.tolist() == ["p", "q", "p"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"v": [1], "y": 1}', "line 2 holds a list in 'v'"),
        ('{"v": 5, "y": 1}', "line 2 holds 5 in 'v', which is of another kind"),
        ("[1]", "line 2 holds no object"),
        ('{"v": ', "line 2 is not JSON"),
        ('{"v": 123456789012345678901234567890123, "y": 1}', "too large"),
        ("[" * 100_000, "line 2 is not JSON"),
    ],
)
def test_json_lines_that_are_no_table_are_told(line: str, reason: str) -> None:
    written('{"v": "a", "y": 1}\n' + line, "d.jsonl")
    assert reason in problems(JsonLinesSource("d.jsonl", "y", text=["v"]))[0]


def test_text_beside_other_columns_is_an_input_of_its_own() -> None:
    rows = "".join(f"{row},{'ab'[row % 2]},word {row % 5},{row % 2}\n" for row in range(40))
    written("n,c,v,y\n" + rows, "d.csv")
    source = CsvSource("d.csv", "y", text=["v"])
    prepared = make(source, CategoriesStep(), Standardize(), Tokenize())
    assert {name: str(field) for name, field in prepared.schema.inputs.items()} == {
        "numbers": "1",
        "c": "scalar, whole numbers",
        "v": "any, whole numbers",
    }
    assert set(decoded(prepared, "train", "v")) == {f"word {number}" for number in range(5)}
    one_hot = make(source, OneHot(), Tokenize())
    assert one_hot.pipeline.inputs["numbers"].shape == (3,)
    assert problems(source, OneHot(["v"]), Tokenize())[0].startswith(
        "preprocess step one_hot: there is no categorical column 'v'"
    )
    assert problems(source, OneHot()) == [
        "column 'v' holds text: add {type: tokenize} to data.preprocess, or leave the column out with "
        "data.source.features"
    ]
    assert problems(CsvSource("d.csv", "y"), OneHot(), Tokenize()) == [
        "preprocess step tokenize: the data has no column of text that is left: name it in data.source.text"
    ]


def test_raw_texts_may_be_lists_or_tables() -> None:
    pipeline = make(LinesSource(written("\n".join(LINES))), Tokenize()).pipeline
    import pandas as pd

    tables = [["see you", "win"], [{"text": "see you"}, {"text": "win"}], pd.DataFrame({"text": ["see you", "win"]})]
    found = [pipeline.transform(raw).values.tolist() for raw in tables]
    assert found[0] == found[1] == found[2]
    with pytest.raises(DataError, match="several texts at once"):
        pipeline.transform("see you")
    with pytest.raises(DataError, match=r"column 'text' is missing in row 1 .*give the text"):
        pipeline.transform(pd.DataFrame({"text": ["a", None]}))
