"""What numbers look like in text, in whatever notation: with groups, signs of their own, currencies and units."""

import re
from typing import Any

import numpy as np

from dist_bp.data.tables.notation import Notation

_CURRENCY = (
    "[$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0af1\u0bf9\u0e3f\u17db\u20a0-\u20c0\ufdfc\ufe69\uff04\uffe0\uffe1\uffe5"
    "\uffe6]"
)
_CODES = (
    "AED|ARS|AUD|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|ISK|JPY|KES|KRW|MXN|MYR|NGN|NOK|"
    "NZD|PHP|PKR|PLN|RMB|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR|[Kk]r[.]?|Rs[.]?|Fr[.]?|Ft|z\u0142|K\u010d"
)
_MONEY = f"(?:(?:US|AU|CA|HK|NT|NZ|[ACRS])?{_CURRENCY}|{_CODES})"
_MICRO = "[u\u00b5\u03bc]"
_UNITS = (
    f"(?:[km]|{_MICRO})g|KG|lbs?|LBS|oz|(?:[kcmn]|{_MICRO})m|KM|CM|"
    "k?m[\u00b2\u00b3]|sq ?(?:ft|m)|ft|yd|mi|mph|km?/h|kmh|kph|m/s|"
    "m[lL]|ML|cl|dl|cc|CC|ms|mins?|hrs?|secs?|[kM]?Wh|[kM]W|[mk]V|mAh?|[kMG]?Hz|[kKMGT]B|kJ|kcal|(?:[hk]|M)Pa|bar|psi|"
    "mmHg|rpm|dpi|px|b?hp|B?HP|pp[mb]|mg/d[lL]|mmol/L|\u00b0[CF]?|\u00baC|\u2103|\u2109"
)
_LETTERS = "[a-zA-Z\u00b5\u03bc]+"
_SHARE = "[%\u2030\u2031\uff05\u066a]"
BLANK = "[ \u00a0\u2009\u202f]"
MANY = "(?:[kKmMbB]|[bm]n|mio|thousand|million|billion)"
GROUP_MARKS = f"{BLANK[:-1]}'\u2019_]"
PLAIN = r"(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"
_GROUPS = ((",", "+", r"\."), (r"\.", "{2,}", ","), (r"\.", "+", ","), (GROUP_MARKS, "+", "[.,]"))
INDIAN = r"[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?"
GROUPED = "|".join(
    (INDIAN, *(rf"[0-9]{{1,3}}(?:{mark}[0-9]{{3}}){times}(?:{point}[0-9]+)?" for mark, times, point in _GROUPS))
)
DIGITS = f"(?:{GROUPED}|{PLAIN})"
MINUS = "[-\u2212\u2013\ufe63\uff0d]"
_SIGN = f"[-+{MINUS[2:]}"
_AMOUNT = (
    rf"{_SIGN}?{BLANK}?(?:{_MONEY}{BLANK}?{_SIGN}?)?{DIGITS}(?:{MINUS}|{BLANK}?(?:{_SHARE}|{_MONEY}|{_UNITS}))?"
    rf"|{_SIGN}?{_MONEY}{BLANK}?{DIGITS}{BLANK}?{MANY}"
    rf"|[A-Z]{{3}}{BLANK}?{_SIGN}?[0-9]+[.,][0-9]{{2}}"
    rf"|(?:{_MONEY}{BLANK}?)?\((?:{_MONEY}{BLANK}?)?{DIGITS}(?:{BLANK}?(?:{_SHARE}|{_MONEY}))?\)"
)
NUMBERLIKE = rf"^(?:{_AMOUNT})$"
"""A number in whatever notation, also one with a percent sign, a currency or a unit."""
NEGATIVE = rf"(?:{MINUS}(?P<number>{DIGITS})|\((?P<inside>{DIGITS})\)|(?P<before>{DIGITS}){MINUS})"
"""A number below 0 without the usual sign."""
_BOUND = "[<>\u2264\u2265~\u2248\u00b1]"
BOUNDED = rf"^{_BOUND}=?{BLANK}?(?:{_AMOUNT})$"
"""A number that is not known exactly, `<5`: alone it may be the name of a class."""
_COUNT = rf"(?:{GROUPED}|(?:0|[1-9][0-9]*)(?:[.,][0-9]+)?)"
MEASURED = rf"^(?P<number>{_SIGN}?{_COUNT})(?P<unit>{BLANK}[^-0-9 /:(+][^0-9]*|{_LETTERS})$"
"""A number before a text that is perhaps a unit: it is where it stands in most cells."""
_CODE = re.compile(rf"st|nd|rd|th|er|e|s|[A-Z]+|[a-f]|{BLANK}(?:EU|UK|US)")
"""What makes a code, a size or a place in a row of whole numbers: 12B, 3XL, 2nd."""
FEWEST = 3
"""So many numbers before the same text, and it is no name such as 7 Up."""


def are_amounts(cells: Any, notation: Notation) -> bool:
    """Whether most cells of text that are not missing are numbers in some notation, or before the same unit."""
    import pyarrow.compute as pc

    most = (len(cells) - cells.null_count) / 2
    numbers = notation.are_numbers(cells)
    amounts = count(pc.or_(pc.match_substring_regex(cells, NUMBERLIKE), numbers))
    if amounts > most:
        return True
    bounds = count(pc.match_substring_regex(cells, BOUNDED))
    if bounds and amounts + bounds > most and count(numbers):
        return True
    return bool(amounts + _of_one_unit(cells) > most)


def _of_one_unit(cells: Any) -> int:
    """How many cells are numbers before the text that follows most of them, 0 where that is no unit."""
    import pyarrow.compute as pc

    found = pc.drop_null(pc.extract_regex(cells, MEASURED))
    if not len(found):
        return 0
    units, numbers = pc.struct_field(found, "unit"), pc.struct_field(found, "number")
    times = pc.value_counts(units)
    unit = times.field("values")[int(np.argmax(times.field("counts")))].as_py()
    numbers = pc.unique(numbers.filter(pc.equal(units, unit)))
    whole = not count(pc.match_substring_regex(numbers, "[.,]"))
    if len(numbers) < FEWEST or (_CODE.fullmatch(unit) and (whole or unit[0] in BLANK)):
        return 0
    return count(pc.equal(units, unit))


def count(mask: Any) -> int:
    """How many are true."""
    import pyarrow.compute as pc

    return int(pc.sum(mask).as_py() or 0)
