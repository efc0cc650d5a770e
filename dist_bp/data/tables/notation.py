"""How numbers and gaps are written in cells of text."""

import ast
import contextlib
import json
import re
import shlex
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dist_bp.types import Array

Cells = Any
"""A pyarrow array, in chunks or in one."""
MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
    "NULL", "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""What counts as missing in a text file unless `keep_default_na` is false; an empty cell always does."""


@dataclass(frozen=True)
class Notation:
    """The decimal point, what may stand between groups of three digits and beside numbers, words for missing values.

    `command` says that a person names options of the file on the command line, and not in a configuration; `typed`
    that the file says itself what a column holds.
    """

    decimal: str = "."
    thousands: str | None = None
    strip: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    command: bool = False
    typed: bool = False

    def option(self, name: str, value: str = "") -> str:
        """How an option is written where this file was named; `value` is YAML in a line, or what repr() gives.

        YAML knows escapes, and shells are spared single quotes, in double quotes.
        """
        if value[:1] in ("'", '"', "[") and (self.command or "\\" in value):
            value = json.dumps(ast.literal_eval(value), ensure_ascii="\\" in value)
        if self.command:
            return f"--csv {shlex.quote(f'{name}={value}') if value else f'{name}=...'}"
        return f"data.source.{name}" + (f": {value}" if value else "")

    @cached_property
    def pattern(self) -> str:
        """A regular expression of a whole number or a fraction."""
        point, digits = re.escape(self.decimal), "[0-9]+"
        if self.thousands:
            between = re.escape(self.thousands)
            digits = rf"(?:[0-9]+|[0-9]{{1,3}}(?:{between}[0-9]{{2,3}})*{between}[0-9]{{3}})"
        infinite = "[iI][nN][fF](?:[iI][nN][iI][tT][yY])?"
        before, after = (f"(?:{self._beside} ?)?", f"(?: ?{self._beside})?") if self.strip else ("", "")
        number = rf"(?:{digits}(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][+-]?[0-9]+)?|{infinite}"
        return rf"^(?:{before}[+-]?|[+-]?{before})(?:{number}){after}$"

    @property
    def _beside(self) -> str:
        return f"(?:{'|'.join(map(re.escape, self.strip))})"

    def written_number(self, text: str) -> bool:
        return re.fullmatch(self.pattern, text.strip()) is not None

    def present(self, cells: Cells) -> Cells:
        """Cells of text without the blanks around them, null where they count as missing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        trimmed = pc.utf8_trim_whitespace(cells)
        if not self.missing:
            return trimmed
        words = pc.is_in(trimmed, value_set=pa.array(self.missing, trimmed.type))
        return pc.if_else(words, pa.scalar(None, trimmed.type), trimmed)

    def are_numbers(self, present: Cells) -> Cells:
        """For each cell whether it is a number; null where it is missing."""
        import pyarrow.compute as pc

        return pc.match_substring_regex(present, self.pattern)

    def are_simple(self, present: Cells) -> bool:
        """Whether all cells are numbers without groups and leading zeros that a float holds exactly enough."""
        import pyarrow.compute as pc

        pattern = rf"^[+-]?(?:0|[1-9][0-9]{{0,14}})(?:{re.escape(self.decimal)}[0-9]*)?(?:[eE][+-]?[0-9]+)?$"
        return bool(pc.all(pc.match_substring_regex(present, pattern), min_count=0).as_py())

    @property
    def is_plain(self) -> bool:
        return self.thousands is None and self.decimal == "." and not self.strip

    def plain(self, numbers: Cells) -> Cells:
        """Cells that are numbers with a decimal point, without groups and what stands beside them."""
        import pyarrow.compute as pc

        if self.strip:
            numbers = pc.replace_substring_regex(numbers, f"^([+-]?){self._beside} ?| ?{self._beside}$", r"\1")
        if self.thousands:
            numbers = pc.replace_substring(numbers, self.thousands, "")
        return pc.replace_substring(numbers, self.decimal, ".")

    def numbers(self, present: Cells) -> Array:
        """Cells that are numbers or null as int64, where all are whole and none is missing, or as float64."""
        import pyarrow as pa

        present = self.plain(present)
        if present.null_count == 0:
            with contextlib.suppress(pa.ArrowInvalid):
                return as_numbers(present, pa.int64())
        return as_numbers(present, pa.float64())


def as_numbers(cells: Cells, kind: Any) -> Array:
    """Cells as a NumPy array of a kind of pyarrow's numbers, NaN where they are null; floats may be rounded."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array: Array = pc.cast(cells, kind, safe=not pa.types.is_floating(kind)).to_numpy(zero_copy_only=False)
    return array
