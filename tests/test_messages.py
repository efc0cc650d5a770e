"""What was likely meant, and errors in one line."""

import pytest

from dist_bp.errors import ConfigError
from dist_bp.messages import (
    at_most,
    did_you_mean,
    first_line,
    in_seconds,
    last_line,
    nearest,
    one_line,
    plural,
    unknown_name,
)


def test_the_likely_word_is_found_whatever_its_case() -> None:
    assert nearest("ReLU", ["relu", "gelu"]) == "relu"
    assert did_you_mean("heigth", ["Height"]) == ": did you mean 'Height'?"
    assert did_you_mean("x", ["height"]) == ""


def test_a_time_is_never_told_as_none() -> None:
    times = (120.0, 1.2, 1.0, 0.25, 0.1, 1e-6)
    assert [in_seconds(time) for time in times] == ["120 s", "1 s", "1 s", "0.25 s", "0.1 s", "1e-06 s"]


def test_an_unknown_name_comes_with_what_there_is() -> None:
    assert unknown_name("heigth", ["height"]) == "'heigth' (did you mean 'height'?)"
    assert unknown_name("x", [1, "height"]) == "'x' (there is '1', 'height')"
    assert unknown_name("x", []) == "'x' (there is none)"
    assert unknown_name("x", range(11)).endswith("'9', ...)")


@pytest.mark.parametrize(
    ("error", "first", "line"),
    [
        (ValueError("\n one\ntwo"), "one", "ValueError: one"),
        (ConfigError(["one", "two"]), "one", "one"),
        (ValueError(), "ValueError", "ValueError"),
    ],
)
def test_an_error_in_one_line(error: Exception, first: str, line: str) -> None:
    assert (first_line(error), one_line(error)) == (first, line)


def test_the_last_line_is_not_blank() -> None:
    assert last_line("one\n two \n\n") == "two"
    assert last_line(" \n") == ""


def test_numbers_agree_with_their_nouns() -> None:
    assert [plural(number, "step") for number in (0, 1, 1200)] == ["0 steps", "1 step", "1,200 steps"]
    assert [plural(number, "class") for number in (1, 3)] == ["1 class", "3 classes"]
    assert [at_most(number) for number in (1, 2)] == ["1", "2 or less"]
