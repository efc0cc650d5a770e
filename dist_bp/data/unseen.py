"""What training has not seen as it comes by: categories; and what became of texts."""

from collections import Counter
from collections.abc import Mapping

from dist_bp.data.tables.report import listed
from dist_bp.data.text.counts import TokenCounts
from dist_bp.errors import DataError
from dist_bp.messages import quoted

SHOWN = 3
"""Of those of a column."""


class Unseen:
    """How often each category has come, and how texts were cut, by column."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}
        self._texts: dict[str, TokenCounts] = {}

    def take(self, found: Mapping[str, Counter[str]]) -> None:
        """Adds those of some rows."""
        for name, counts in found.items():
            if counts:
                self._counts.setdefault(name, Counter()).update(counts)

    def take_texts(self, name: str, counts: TokenCounts) -> None:
        """Adds those of some rows of a column of text."""
        self._texts.setdefault(name, TokenCounts()).__iadd__(counts)

    def texts(self, name: str) -> TokenCounts:
        """What became of the texts of a column."""
        return self._texts.get(name, TokenCounts())

    def check_texts(self) -> None:
        """Raises DataError for each column of text of which no token is known."""
        if problems := [line for name, counts in self._texts.items() if (line := counts.problem(name))]:
            raise DataError(problems)

    def lines(self, where: str = "") -> list[str]:
        """A line with the number of each column and the most frequent ones, if there are any; `where` they are. A line
        for each column of text, which is left out where there is nothing to say but how long they are and no `where`.
        """
        columns = [f"{name} {counts.total():,} ({_shown(counts)})" for name, counts in self._counts.items()]
        lines = [f"categories {where}that training has not seen: {listed(columns)}"] if columns else []
        return lines + [counts.line(name, where) for name, counts in self._texts.items() if where or counts.parts]


def _shown(counts: Counter[str]) -> str:
    shown = [quoted(text) for text, _ in counts.most_common(SHOWN)]
    return ", ".join([*shown, *(["..."] if len(counts) > SHOWN else [])])
