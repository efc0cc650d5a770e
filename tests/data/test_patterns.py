"""Regular expressions of a configuration."""

import os
import re
import time
from pathlib import Path

import pytest

from dist_bp.data import patterns
from dist_bp.data.class_folders import FileKind
from dist_bp.data.named_files import read_named
from dist_bp.data.patterns import LABEL_AND_TEXT, matched
from dist_bp.data.sources.lines import LinesSource
from dist_bp.errors import DataError
from dist_bp.processes import descendants

ENDLESS = r"(?P<label>(a+)+)\s(?P<text>.*)"
TEXTS = ["ham see you", "x\u00a0y", "\x1c a b", "²:a b", "a\ud800 b", "a\u2028b c", "", "İ:x y\r", "ab"] * 100


@pytest.mark.parametrize("pattern", [LABEL_AND_TEXT, r"(?P<label>\w+):?(\w+)? (?P<text>.*)", r"(?P<label>a)?.*", ".b"])
def test_they_are_those_of_python(pattern: str) -> None:
    before = descendants(os.getpid())
    found = matched("x", pattern, TEXTS, str)
    assert descendants(os.getpid()) == before
    for text, groups in zip(TEXTS, found, strict=True):
        one = re.fullmatch(pattern, text)
        assert groups == (one and {name: value for name, value in one.groupdict().items() if value is not None})


def test_one_that_takes_too_long_is_told_with_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.3)
    path = tmp_path / "t.txt"
    path.write_text("a b\n\naa b\n" + "a" * 100 + "\n")
    source = LinesSource(str(path), pattern=ENDLESS)
    before, started = descendants(os.getpid()), time.monotonic()
    for use in (source.samples, lambda path: source.labelled(path, ["a"])):
        with pytest.raises(DataError) as caught:
            use(str(path))
        assert str(caught.value) == (
            f"data file {str(path)!r}: line 4: data.source.pattern takes more than 0.3 s at '{'a' * 60}...': make it "
            "simpler, such as a+ in place of (a+)+"
        )
    assert descendants(os.getpid()) == before
    assert time.monotonic() - started < 10


def test_of_names_of_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patterns, "SECONDS", 0.3)
    (tmp_path / ("a" * 100 + ".txt")).touch()
    with pytest.raises(DataError, match=r"the file '.*a\.txt': data\.source\.pattern takes more than 0\.3 s at 'aaa"):
        read_named(str(tmp_path), FileKind("a text", "texts", (".txt",)), ENDLESS)
