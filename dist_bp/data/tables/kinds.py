"""Which columns are numbers and which categories; what looks like numbers never becomes categories in silence."""

from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import numpy as np

from dist_bp.data.tables.advice import advice
from dist_bp.data.tables.amounts import are_amounts, count
from dist_bp.data.tables.column import Column, is_number, is_text
from dist_bp.data.tables.dates import first_date
from dist_bp.data.tables.notation import Notation

Kind = Literal["number", "category", "text"]
EXACT = 2**53
"""Up to here a float64 tells all whole numbers apart."""
LARGEST = 2**63 - 1
WHOLE_AND_LONG = r"^[+-]?[0-9]{16,}(?:\.0*)?$"
CATEGORICAL = "name it in data.source.categorical"
NUMERIC = "in data.source.numeric"
OF_DATES = "make numbers of them"


@dataclass(frozen=True)
class Kinds:
    """Told by the cells, but for the columns that a person has named."""

    categorical: Collection[str] = ()
    numeric: Collection[str] = ()

    def of(self, column: Column, target: bool = False) -> tuple[Kind, str | None]:
        """The kind of a column, and what is wrong with it."""
        from pyarrow import types

        if column.text:
            return "text", None
        named, kind = column.name in self.categorical, column.plain.type
        if column.name in self.numeric:
            return "number", None
        if is_text(kind):
            return ("category", None) if named or column.is_dictionary else self._of_text(column, target)
        if is_number(kind):
            return ("category", None) if named or column.is_dictionary else self._of_numbers(column, target)
        if types.is_boolean(kind) or (named and types.is_temporal(kind)):
            return "category", None
        if types.is_temporal(kind):
            return "category", f"holds dates or times ({kind}): {_remedies(target, OF_DATES, CATEGORICAL)}"
        return "category", f"holds {kind}, not a single value in each row: {_remedies(target, 'make columns of them')}"

    def _of_text(self, column: Column, target: bool) -> tuple[Kind, str | None]:
        import pyarrow.compute as pc

        cells, notation = column.cells, column.file.notation
        if column.is_simple and not notation.typed:
            return "number", None
        there = len(cells) - cells.null_count
        numbers = notation.are_numbers(cells)
        if count(numbers) == there:
            if not notation.typed or not there:
                return self._of_numbers(column, target)
            first = column.at(pc.index(numbers, True).as_py())
            remedies = _remedies(target, "save it as numbers", CATEGORICAL)
            return "category", f"holds numbers that are stored as text, first {first}: {remedies}"
        date = first_date(cells)
        if date is not None:
            first = column.at(date)
            return "category", f"holds dates or times, first {first}: {_remedies(target, OF_DATES, CATEGORICAL)}"
        row = stray(cells, notation)
        if row is not None:
            remedies = _remedies(target, advice(cells[row].as_py(), notation), CATEGORICAL)
            return "category", f"holds numbers, but {column.at(row)}: {remedies}"
        return "category", None

    def _of_numbers(self, column: Column, target: bool) -> tuple[Kind, str | None]:
        import pyarrow.compute as pc

        cells = column.cells
        if is_text(cells.type):
            cells = column.file.notation.plain(cells)
            padded = pc.index(pc.match_substring_regex(cells, "^[+-]?0[0-9]"), True).as_py()
            if padded >= 0:
                remedies = _remedies(target, CATEGORICAL, f"{NUMERIC} if it is a number")
                return "number", f"holds numbers with leading zeros, first {column.at(padded)}: {remedies}"
        limit, power = (LARGEST, 63) if target and _stay_whole(cells) else (EXACT, 53)
        row = _first_beyond(cells, limit)
        if row is None:
            return "number", None
        remedies = _remedies(target, CATEGORICAL, f"{NUMERIC} if rounding does no harm")
        return "number", f"holds whole numbers above 2**{power}, first {column.at(row)}: {remedies}"


def stray(cells: Any, notation: Notation) -> int | None:
    """The first cell of text that is no number though most are; None where all are, or few."""
    import pyarrow.compute as pc

    if not are_amounts(cells, notation):
        return None
    row = pc.index(notation.are_numbers(cells), False).as_py()
    return None if row < 0 else int(row)


def _stay_whole(cells: Any) -> bool:
    """Whether numbers, in plain text or not, are read as integers: targets are, of which none is missing."""
    import pyarrow.compute as pc
    from pyarrow import types

    if is_text(cells.type):
        return bool(pc.all(pc.match_substring_regex(cells, "^-?[0-9]+$"), min_count=0).as_py())
    return bool(types.is_integer(cells.type))


def _first_beyond(cells: Any, limit: int) -> int | None:
    """The first row of a whole number, in plain text or not, beyond a limit."""
    import pyarrow.compute as pc
    from pyarrow import types

    if is_text(cells.type):
        long = pc.fill_null(pc.match_substring_regex(cells, WHOLE_AND_LONG), False)
        rows = np.flatnonzero(long.to_numpy(zero_copy_only=False)).tolist()
    elif types.is_integer(cells.type) or types.is_decimal(cells.type):
        ends = pc.min_max(cells).as_py().values()
        rows = list(range(len(cells))) if any(end is not None and abs(end) > limit for end in ends) else []
    else:
        return None
    values = ((row, cells[row].as_py()) for row in rows)
    return next((row for row, value in values if value is not None and abs(Decimal(value)) > limit), None)


def _remedies(target: bool, *remedies: str) -> str:
    *most, last = remedies if target else (*remedies, "leave it out (data.source.exclude)")
    return f"{', '.join(most)}{', or ' if len(most) > 1 else ' or '}{last}" if most else last
