"""Text files of separated values: cells are text, and options say how it is written."""

import codecs
import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from dist_bp.component import Component
from dist_bp.data.categories import text_of
from dist_bp.data.files import check_files, reading
from dist_bp.data.inputs import row_at
from dist_bp.data.tables.amounts import MINUS
from dist_bp.data.tables.base import TableFile
from dist_bp.data.tables.lines import Style, decoder, records
from dist_bp.data.tables.notation import MISSING, Notation
from dist_bp.data.tables.quick import quick_blocks
from dist_bp.errors import DataError, OptionError
from dist_bp.options import Doc, Len, MinLen, Text, Whole

TAB_SUFFIXES = (".tsv", ".tab")
PACKED = (".gz", ".bz2", ".xz", ".zip")


@dataclass(frozen=True, kw_only=True)
class CsvForm(Component):
    """How a text file of separated values is written."""

    separator: Annotated[
        Annotated[str, Len(1, 1)] | None, Doc("The character between two values; null: a tab in .tsv, else a comma.")
    ] = None
    quote: Annotated[
        Annotated[str, Len(1, 1)] | None, Doc("The character around values that hold separators; null: none.")
    ] = '"'
    decimal: Annotated[str, Len(1, 1), Doc("The decimal point of numbers.")] = "."
    thousands: Annotated[
        Annotated[str, Len(1, 1)] | None, Doc("The character between groups of three digits of a number.")
    ] = None
    strip: Annotated[Sequence[Text], Doc("Signs before or after a number that are passed over, such as % and $.")] = ()
    na_values: Annotated[Sequence[str | float], Doc("Further cells that count as missing, as they are written.")] = ()
    keep_default_na: Annotated[
        bool, Doc("Whether NA, NaN, None, null and the like count as missing; an empty cell always does.")
    ] = True
    encoding: Annotated[Text, Doc("The encoding of the text, such as latin-1.")] = "utf-8"
    header: Annotated[bool, Doc("Whether the first line names the columns; if not, names does.")] = True
    names: Annotated[
        Annotated[Sequence[Text], MinLen(1)] | None, Doc("Names of all columns, instead of those in the header.")
    ] = None
    comment: Annotated[Text | None, Doc("Lines that begin with this are passed over.")] = None
    skip_rows: Annotated[Whole, Doc("Lines before the header that are passed over.")] = 0
    skip_initial_space: Annotated[bool, Doc("Pass over blanks after a separator.")] = False

    def __post_init__(self) -> None:
        if not self.header and self.names is None:
            raise OptionError("names", "is required with header: false")
        if self.quote is not None and self.quote == self.separator:
            raise OptionError("quote", f"must be another than the separator, {self.quote!r}")
        if self.thousands == self.decimal:
            raise OptionError("thousands", f"must be another than that of decimal, {self.decimal!r}")
        if strange := [
            sign for sign in self.strip if re.search(f"[0-9+()]|{MINUS}|^\\s|\\s$", sign) or sign in self._marks
        ]:
            raise OptionError("strip", f"{strange[0]!r} may be part of a number")
        try:
            found = codecs.lookup(self.encoding)
        except LookupError:
            raise OptionError("encoding", f"there is no encoding {self.encoding!r}") from None
        if not getattr(found, "_is_text_encoding", True):
            raise OptionError("encoding", f"{self.encoding!r} is no encoding of text")

    @property
    def _marks(self) -> tuple[str, ...]:
        return (self.decimal, self.thousands or "", "e", "E")

    def separator_of(self, path: str) -> str:
        """What stands between two values of this file."""
        if self.separator is not None:
            return self.separator
        return "\t" if suffix_of(path) in TAB_SUFFIXES else ","

    def notation(self, command: bool = False) -> Notation:
        given = tuple(form(value).strip() for value in self.na_values for form in (str, text_of))
        words = MISSING if self.keep_default_na else ("",)
        missing = tuple(dict.fromkeys((*words, *given)))
        return Notation(self.decimal, self.thousands, tuple(self.strip), missing, command)


def suffix_of(path: str) -> str:
    """The suffix of a file, of what is within where it is packed, in small letters."""
    name = Path(path.lower())
    return Path(name.stem).suffix if name.suffix in PACKED else name.suffix


class CsvFile(TableFile):
    """One text file, written as `form` says; raises DataError where it cannot be read so.

    `command`: the file was named on the command line, and messages say so.
    """

    def __init__(self, path: str, form: CsvForm, command: bool = False) -> None:
        self.path = path
        self.notation = form.notation(command)
        self._form = form
        self._separator = form.separator_of(path)
        check_files(path)
        with reading(path, "csv file"):
            first = next(self._records(), None)
        if first is None:
            raise DataError(f"data file {path!r} is empty")
        self._header = first[1]
        self._begins = first[0] if form.header else form.skip_rows
        given = [*(form.names or [name.strip() for name in self._header])]
        if form.names is not None and len(given) != len(self._header):
            raise DataError(
                f"data file {path!r} has {len(self._header)} columns, but {self.notation.option('names')} "
                f"has {len(given)}"
            )
        self._columns = given
        self.names = tuple(name for name in given if name)
        self.unnamed = tuple(
            f"column {place} (counted from 0; it has no name, as an index that pandas wrote)" if not place
            else f"column {place} (counted from 0; it has no name)"
            for place, name in enumerate(given)
            if not name
        )  # fmt: skip

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        import pyarrow as pa

        places = {name: self._columns.index(name) for name in columns}
        style, done = Style(self._separator, self._form.quote), 0
        with reading(self.path, "csv file"):
            if self._is_simple:
                with contextlib.suppress(pa.ArrowInvalid):
                    for table in quick_blocks(self.path, style, self._begins, len(self._columns), places):
                        for start in range(0, len(table), rows):
                            done += len(part := table.slice(start, rows))
                            yield part
                    if done:
                        return
            rest = islice(self._rows(), done, None)
            while (block := list(islice(rest, rows))) or not done:
                done += max(len(block), 1)
                cells = list(zip(*block, strict=True)) or [()] * len(self._columns)
                yield pa.table({name: pa.array(cells[place], pa.string()) for name, place in places.items()})

    @property
    def _is_simple(self) -> bool:
        """Whether Arrow can read it."""
        form = self._form
        plain = decoder(form.encoding) == decoder("utf-8") and self._separator.isascii()
        return plain and (form.quote or '"').isascii() and form.comment is None and not form.skip_initial_space

    def renaming(self) -> str:
        return f"give each a name of its own, in the file or with {self.notation.option('names')}"

    def header_hints(self) -> list[str]:
        first, option = self._header[0].strip(), self.notation.option
        if first.startswith(("#", "%", "//", ";")) and self._form.header:
            mark = "//" if first.startswith("//") else first[0]
            comment = option("comment", repr(mark))
            return [
                f"the first line of {self.path!r} begins with {mark!r}: if it is a comment, set {comment} or "
                f"{option('skip_rows', '1')}"
            ]
        if self._form.header and all(self.notation.written_number(name) for name in self.names):
            header = option("header", "false")
            return [f"the first line of {self.path!r} holds numbers: if it has no header, set {header} and names"]
        other = self._other_separator() if len(self._header) == 1 else None
        separator = option("separator", repr(other))
        return [f"data file {self.path!r} has only one column: set {separator}"] if other else []

    def _other_separator(self) -> str | None:
        """What else may stand between values: a mark of the header, a colon or blank only where a row has as many."""
        with reading(self.path, "csv file"):
            header, *rows = [self._separator.join(cells) for _, cells in islice(self._records(), 2)]
        marks = [mark for mark in ";\t|,: " if mark in header and mark != self._separator]
        sure = (
            mark for mark in marks if mark not in ": " or all(row.count(mark) == header.count(mark) for row in rows)
        )
        return next(sure, None)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        form = self._form
        style = Style(self._separator, form.quote, form.skip_initial_space)
        return records(self.path, style, form.encoding, form.comment, form.skip_rows, self.notation.option)

    def _rows(self) -> Iterator[list[str]]:
        """Rows of as many cells as there are columns.

        Empty cells at the end may be too many, as in files whose lines end in a separator, or too few.
        """
        width = len(self._columns)
        for row, (line, cells) in enumerate(islice(self._records(), int(self._form.header), None)):
            if len(cells) != width:
                if any(cell.strip() for cell in cells[width:]):
                    raise DataError(self._too_many(line, row, len(cells)))
                cells = [*cells[:width], *[""] * (width - len(cells))]
            yield cells

    def _too_many(self, line: int, row: int, fields: int) -> list[str]:
        option, mark = self.notation.option, self._separator
        names = "the header" if self._form.header else option("names")
        found = (
            f"data file {self.path!r}: line {line}, {row_at(row)}, has {fields} fields, {names} {len(self._columns)}"
        )
        problems = [f"{found}: put quotes around a value that holds {mark!r}, or set {option('separator')}"]
        if row == 0:
            problems.append(f"if the lines before it are no header, set {option('skip_rows')} or {option('comment')}")
        return problems
