"""What a cell looks like that is none of the numbers around it, and which option would help."""

import re

from dist_bp.data.tables.notation import Notation

CURRENCY = "[$\u00a3\u00a5\u20ac]"
PLAIN = r"(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?"
_GROUPS = ((",", "+", r"\."), (r"\.", "{2,}", ","), (r"\.", "+", ","), ("[ '\u00a0\u202f]", "+", "[.,]"))
GROUPED = "|".join(rf"[0-9]{{1,3}}(?:{mark}[0-9]{{3}}){times}(?:{point}[0-9]+)?" for mark, times, point in _GROUPS)
NUMBERLIKE = rf"^[+-]?(?:{CURRENCY} ?)?(?:{GROUPED}|{PLAIN}) ?(?:%|{CURRENCY})?$"
"""A number in whatever notation, also one with a percent sign or a currency."""
_MONTH = "(?:[jJ]an|[fF]eb|[mM]ar|[aA]pr|[mM]ay|[jJ]un|[jJ]ul|[aA]ug|[sS]ep|[oO]ct|[nN]ov|[dD]ec)[a-z]*"
_DAY = (
    rf"(?:[0-9]{{4}}-[0-9]{{1,2}}-[0-9]{{1,2}}|[0-9]{{4}}[/.][0-9]{{1,2}}[/.][0-9]{{1,2}}"
    rf"|[0-9]{{1,2}}([-/.])[0-9]{{1,2}}[-/.](?:[0-9]{{4}}|[0-9]{{2}})"
    rf"|[0-9]{{1,2}}[- .]{{1,2}}{_MONTH}[- .,]{{1,2}}[0-9]{{2,4}}|{_MONTH} [0-9]{{1,2}},? [0-9]{{4}})"
)
_TIME = (
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[aApP]\.?[mM]\.?)?(?: ?(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2}))?"
)
DATELIKE = rf"^(?:{_DAY}(?:[T ,]+{_TIME})?|{_TIME})$"
"""A date or a time of day."""


def advice(cell: str, notation: Notation) -> str:
    """The option that helps where `cell` is no number, but those around it are."""
    option = notation.option
    if notation.typed:
        return "save the column as numbers"
    if re.fullmatch(NUMBERLIKE, cell) is None:
        return f"set {option('na_values', f'[{cell!r}]')} if that is a missing value"
    if sign := re.search(rf"%|{CURRENCY}", cell):
        strip = option("strip", repr([*notation.strip, sign[0]]))
        rest = cell.replace(sign[0], "").strip()
        return f"set {strip}" if notation.written_number(rest) else f"set {strip}, and {advice(rest, notation)}"
    if re.fullmatch(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+", cell):
        return f"set {option('decimal', repr(','))} and {option('thousands', repr('.'))}"
    if re.fullmatch(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+|[+-]?[0-9]{1,3}(?:,[0-9]{3}){2,}", cell):
        return f"set {option('thousands', repr(','))}"
    if re.fullmatch(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}", cell):
        return f"set {option('thousands', repr(','))}, or {option('decimal', repr(','))} if it is a fraction"
    if found := re.search("[ '\u00a0\u202f]", cell):
        return f"set {option('thousands', repr(found[0]))}"
    return f"set {option('decimal', repr('.' if notation.decimal != '.' else ','))}"
