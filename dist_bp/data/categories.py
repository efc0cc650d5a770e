"""What a category is called, and which of those that were learnt a value is."""

import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np

TRUTH = ("true", "TRUE", "false", "FALSE")
"""What pandas takes for truth values in a text file, besides their names in Python."""
WHOLE = re.compile(r"\s*([+-]?)(0|[1-9][0-9]*)(?:\.0*)?\s*", re.ASCII)
NUMBER = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\s*", re.ASCII)


def text_of(value: Any) -> str:
    """A category or label as text, the same for 1, 1.0 and "1"."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def category_of(value: Any) -> str:
    """A category as text, the same whatever the table: true and 1.0 of a text file are the True and 1 of others."""
    return _spelled(text_of(value))


@lru_cache(maxsize=2**16)
def _spelled(text: str) -> str:
    if text in TRUTH:
        return text.title()
    whole = WHOLE.fullmatch(text)
    if whole is None:
        return text
    sign, digits = whole.groups()
    return digits if digits == "0" or sign != "-" else f"-{digits}"


class Vocabulary:
    """The categories of a column, or the classes, as they were learnt.

    Text is one of them as it is written; a number, which no longer knows how it was, is the one of its value. So is
    text where they are told apart `by_value`, having been numbers themselves.
    """

    def __init__(self, learnt: Iterable[str] = (), by_value: bool = False) -> None:
        self._by_value = by_value
        self._of_value: dict[Decimal, list[str]] = {}
        for name in learnt:
            if NUMBER.fullmatch(name):
                self._of_value.setdefault(Decimal(name), []).append(name)

    def names(self, value: Any) -> list[str]:
        """What a value is called: several names where a number has several, as 1.1 if "1.1" and "1.10" were learnt."""
        name = category_of(value)
        if isinstance(value, str):
            has_value = self._by_value and NUMBER.fullmatch(value) is not None
        else:
            numbers = int | float | np.integer | np.floating | Decimal
            has_value = isinstance(value, numbers) and not isinstance(value, bool)
        return self._of_value.get(Decimal(str(value)), [name]) if has_value else [name]
