"""Categories that training has not seen, as they come by."""

from collections import Counter
from collections.abc import Mapping

from dist_bp.data.tables.report import listed

SHOWN = 3
"""Of those of a column."""
LETTERS = 30
"""Of a category that is shown."""


class Unseen:
    """How often each has come, by column."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def take(self, found: Mapping[str, Counter[str]]) -> None:
        """Adds those of some rows."""
        for name, counts in found.items():
            if counts:
                self._counts.setdefault(name, Counter()).update(counts)

    def lines(self, where: str = "") -> list[str]:
        """A line with the number of each column and the most frequent ones, if there are any; `where` they are."""
        columns = [f"{name} {counts.total():,} ({_shown(counts)})" for name, counts in self._counts.items()]
        return [f"categories {where}that training has not seen: {listed(columns)}"] if columns else []


def _shown(counts: Counter[str]) -> str:
    shown = [repr(text if len(text) <= LETTERS else f"{text[:LETTERS]}...") for text, _ in counts.most_common(SHOWN)]
    return ", ".join([*shown, *(["..."] if len(counts) > SHOWN else [])])
