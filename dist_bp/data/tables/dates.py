"""What dates, months, weeks and times of a day look like in text."""

from typing import Any

_BEGINS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_MONTH = rf"(?i:{_BEGINS})[a-z]*\.?"
"""In whatever language that begins so: beside a day and a year there is no doubt."""
_NAMED = (
    "(?i:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?i:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[,.]{0,2} )?"
_YEAR, _YEARS = "(?:1[5-9]|20|21)[0-9]{2}", "(?:[0-9]{4}|'?[0-9]{2})"
_IN_YEAR, _IN_MONTH = "(?:0?[1-9]|1[0-2])", "[0-9]{1,2}(?:st|nd|rd|th)?"
_DAYS = (
    "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}",
    r"[0-9]{4}(?:/|\. ?)[0-9]{1,2}(?:/|\. ?)[0-9]{1,2}\.?",
    r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})\.?",
    rf"[0-9]{{1,2}}\. ?{_IN_YEAR}\.",
    rf"[0-9]{{1,2}}[- .]{{1,2}}{_MONTH}[- ,]{{0,2}}{_YEARS}",
    rf"{_MONTH} {_IN_MONTH},? {_YEARS}",
    rf"{_IN_MONTH}[- .]{{1,2}}(?:of )?{_NAMED}(?:,? {_YEARS})?",
    rf"{_NAMED}[- ]{_IN_MONTH}",
    "[0-9]{4}\u5e74[0-9]{1,2}\u6708(?:[0-9]{1,2}\u65e5)?",
)
_MONTHS = (
    rf"{_YEAR}[-/]{_IN_YEAR}",
    rf"{_IN_YEAR}[-/]{_YEAR}",
    rf"{_NAMED}[-, /]{{0,2}}{_YEARS}",
    rf"{_YEAR}[-, /]{{0,2}}{_NAMED}",
    rf"{_YEAR}-?W[0-5][0-9](?:-?[1-7])?",
    rf"{_YEAR}[- /]?Q[1-4]",
    rf"Q[1-4][- /]{_YEAR}",
)
_ZONE = "(?: ?(?:[+-][0-9]{2}:?(?:[0-9]{2})?|Z|[A-Z]{3,4}))?"
_TIME = rf"[0-9]{{1,2}}:[0-9]{{2}}(?::[0-9]{{2}}(?:[.,][0-9]+)?)?(?: ?[aApP]\.?[mM]\.?)?{_ZONE}"
_COMPACT = rf"[0-9]{{8}}[T ][0-9]{{4,6}}(?:[.,][0-9]+)?{_ZONE}"
_OF_C = rf"{_NAMED} {{1,2}}[0-9]{{1,2}} {_TIME} [0-9]{{4}}"
DATELIKE = (
    rf"^(?:{_WEEKDAY}(?:{'|'.join(_DAYS)}|{'|'.join(_MONTHS)})(?:[T ,]+{_TIME})?|{_WEEKDAY}{_OF_C}|{_COMPACT}|{_TIME})$"
)
"""A date, a month, a week or a time of a day."""


def first_date(cells: Any) -> int | None:
    """The first cell of text that is a date or a time where most are; None where few are."""
    import pyarrow.compute as pc

    dates = pc.match_substring_regex(cells, DATELIKE)
    if 2 * (pc.sum(dates).as_py() or 0) <= len(cells) - cells.null_count:
        return None
    return int(pc.index(dates, True).as_py())
