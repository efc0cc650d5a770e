"""Which option would help where a cell is none of the numbers around it."""

import re
from dataclasses import replace

from dist_bp.data.tables.amounts import (
    BOUNDED,
    DIGITS,
    GROUP_MARKS,
    GROUPED,
    INDIAN,
    MANY,
    MEASURED,
    MINUS,
    NEGATIVE,
    NUMBERLIKE,
    PLAIN,
)
from dist_bp.data.tables.notation import Notation


def advice(cell: str, notation: Notation) -> str:
    """The option that helps where `cell` is no number, but those around it are."""
    if notation.typed:
        return "save the column as numbers"
    if re.fullmatch(rf"[+-]?(?:{GROUPED}|{PLAIN})", cell):
        return f"set {_marks(cell, notation)}"
    if negative := re.fullmatch(NEGATIVE, cell):
        return f"write negative numbers as -{re.sub('[^0-9.,]', '', negative[0])}"
    missing = f"set {notation.option('na_values', f'[{cell!r}]')} if that is a missing value"
    if re.fullmatch(NUMBERLIKE, cell):
        return _without(cell, notation)
    if re.fullmatch(BOUNDED, cell) or re.fullmatch(MEASURED, cell):
        return f"{_without(cell, notation)}, or {missing}"
    return missing


def _without(cell: str, notation: Notation) -> str:
    """How a number is read or written without what is beside it, which may be passed over if it is no part of it."""
    number = re.search(DIGITS, cell)
    around = (cell[: number.start()], cell[number.end() :]) if number else ()
    beside = [text for part in around if (text := part.strip().strip("-+ "))]
    if any(re.search(rf"[-+()]|{MINUS}|^{MANY}$|^[eE]$", text) for text in beside):
        return "write plain numbers, in full and with - as the sign"
    stripped = replace(notation, strip=tuple(dict.fromkeys((*notation.strip, *beside))))
    advised = f"set {notation.option('strip', repr([*stripped.strip]))}"
    if any(text[0].isalpha() for text in beside):
        advised += " if all are of that unit"
    if stripped.written_number(cell):
        return advised
    rest = "".join(("-" if "-" in cell else "", number[0] if number else ""))
    return (
        f"{advised}, and {advice(rest, notation)}"
        if not notation.written_number(rest)
        else (f"write plain numbers, without {' and '.join(map(repr, beside))}")
    )


def _marks(cell: str, notation: Notation) -> str:
    """The options that say what the points and commas of a number are."""
    option = notation.option
    if re.fullmatch(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+", cell):
        return f"{option('decimal', repr(','))} and {option('thousands', repr('.'))}"
    if re.fullmatch(rf"[+-]?(?:[0-9]{{1,3}}(?:,[0-9]{{3}})+\.[0-9]+|[0-9]{{1,3}}(?:,[0-9]{{3}}){{2,}}|{INDIAN})", cell):
        return option("thousands", repr(","))
    if re.fullmatch(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}", cell):
        return f"{option('thousands', repr(','))}, or {option('decimal', repr(','))} if it is a fraction"
    if found := re.search(GROUP_MARKS, cell):
        return option("thousands", repr(found[0]))
    return option("decimal", repr("." if notation.decimal != "." else ","))
