"""The records of a text file of separated values, line by line."""

import bz2
import codecs
import csv
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from dist_bp.errors import DataError

OPENERS: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
"""By what compressed files begin with."""
ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Style:
    """What stands between values and around them; `blanks`: blanks after a separator are passed over."""

    separator: str
    quote: str | None
    blanks: bool = False


def records(
    path: str, style: Style, encoding: str, comment: str | None, skip_rows: int, option: Callable[[str, str], str]
) -> Iterator[tuple[int, list[str]]]:
    """(number of its last line, counted from 1; cells) of each record; blank lines are passed over.

    Raises DataError for a text of another encoding, where `option` is how an option is set, for NUL bytes and for a
    quote that is never closed, and what the file raises where it is damaged.
    """
    form: dict[str, Any] = {"delimiter": style.separator, "skipinitialspace": style.blanks}
    form |= {"quoting": csv.QUOTE_NONE} if style.quote is None else {"quotechar": style.quote}
    with unpacked(path) as file, io.TextIOWrapper(file, decoder(encoding), newline="") as text:
        lines = _Lines(path, text, comment, skip_rows)
        try:
            for cells in csv.reader(lines, **form):
                if cells and lines.ended:
                    raise DataError(
                        f"data file {path!r}: a quote in the record that begins in line "
                        f"{lines.number - len(lines.record) + 1} is never closed: mend it, or "
                        f"set {option('quote', 'null')} where quotes mean nothing"
                    )
                if cells:
                    yield lines.number, cells
                lines.record = []
        except csv.Error:
            limit = f"more than {csv.field_size_limit():,} characters"
            raise DataError(
                f"data file {path!r}: a cell that ends after line {lines.number} has {limit}: is a quote not closed?"
            ) from None
        except UnicodeError as error:
            raise DataError(_not_decoded(path, encoding, error, option)) from None


class _Lines:
    """The lines of a text that are not passed over; `record` are those that the consumer has not yet done with.

    A blank line follows the last (`ended`): it is no record of its own only where a quote is still open.
    """

    def __init__(self, path: str, text: io.TextIOWrapper, comment: str | None, skip: int) -> None:
        self.number, self.ended = 0, False
        self.record: list[str] = []
        self._path, self._text, self._comment, self._skip = path, text, comment, skip

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        for line in self._text:
            self.number += 1
            if "\0" in line:
                raise DataError(
                    f"data file {self._path!r} has a NUL byte in line {self.number}: it is no text, or damaged, or in "
                    "another encoding, such as utf-16"
                )
            if self.number <= self._skip:
                continue
            # Within quotes a line may begin with anything.
            if self._comment and not self.record and line.startswith(self._comment):
                continue
            self.record.append(line)
            return line
        if self.ended:
            raise StopIteration
        self.ended = True
        return "\n"


def decoder(encoding: str) -> str:
    """The codec: that of UTF-8 passes over a byte order mark."""
    return "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding


@contextmanager
def unpacked(path: str) -> Iterator[IO[bytes]]:
    """The bytes of a file, or of what it holds compressed, whatever its name is."""
    with ExitStack() as stack:
        file = stack.enter_context(Path(path).open("rb"))
        start = file.read(6)
        file.seek(0)
        if start.startswith(ZIP):
            archive = stack.enter_context(zipfile.ZipFile(file))
            members = archive.namelist()
            if len(members) != 1:
                raise DataError(
                    f"data file {path!r} is an archive of {len(members)} files: unpack the one that is meant"
                )
            yield stack.enter_context(archive.open(members[0]))
            return
        opener = next((opener for magic, opener in OPENERS.items() if start.startswith(magic)), None)
        yield cast(IO[bytes], stack.enter_context(opener(file)) if opener else file)


def _not_decoded(path: str, encoding: str, error: UnicodeError, option: Callable[[str, str], str]) -> str:
    byte = f" (byte 0x{error.object[error.start]:02x})" if isinstance(error, UnicodeDecodeError) else ""
    with unpacked(path) as file:
        other = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
    return (
        f"data file {path!r} is not written in {encoding}{byte}: set its encoding, such as {option('encoding', other)}"
    )
