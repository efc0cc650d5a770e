"""Text files line by line, and what does not decode by its file and line."""

import codecs
from collections.abc import Iterator
from typing import Annotated

from dist_bp.data.files import check_files, reading
from dist_bp.data.tables.lines import decoder, unpacked
from dist_bp.errors import DataError, OptionError
from dist_bp.options import Doc, Text

Encoding = Annotated[Text, Doc("The encoding of the text, such as latin-1.")]
LARGEST_TEXT = 2**24
"""Characters of a text that is a sample, and of a line: a few bytes of a packed file can stand for any number."""
BLOCK_BYTES = 2**20
"""What is decoded at a time, to the end of its last line."""


def check_encoding(name: str) -> None:
    """Raises OptionError where there is no such encoding of text."""
    try:
        found = codecs.lookup(name)
    except LookupError:
        raise OptionError("encoding", f"there is no encoding {name!r}") from None
    if not getattr(found, "_is_text_encoding", True):
        raise OptionError("encoding", f"{name!r} is no encoding of text")


def text_blocks(path: str, encoding: str) -> Iterator[str]:
    """A text file, packed (.gz, .bz2, .xz, .zip) or not, in parts of whole lines, whose ends are \\n. Lines of more
    than `BLOCK_BYTES` come in parts, too, cut before a blank where there is one.

    A byte order mark is passed over. Raises DataError, naming the line, for bytes that do not decode.
    """
    check_files(path)
    done = 0
    with reading(path, "text file"), unpacked(path) as file:
        decode = codecs.getincrementaldecoder(decoder(encoding))()
        ended = held = False
        rest = ""
        while not ended:
            data = file.read(BLOCK_BYTES) + file.readline(BLOCK_BYTES)
            ended = not data
            try:
                text = decode.decode(data, final=ended)
            except UnicodeDecodeError as error:
                before = bytes(error.object[: error.start]).decode(decoder(encoding), "replace")
                line = done + _ends("\r" * held + before) + 1
                raise DataError(_strange(path, encoding, line, error)) from None
            text, held = "\r" * held + text, False
            if text.endswith("\r") and not ended:
                text, held = text[:-1], True
            text = text.replace("\r\n", "\n").replace("\r", "\n")
            done += text.count("\n")
            text, rest = rest + text, ""
            if not (ended or text.endswith("\n")):
                text, rest = _cut(text)
            if text:
                yield text


def _cut(text: str) -> tuple[str, str]:
    """A part of a long line, and what is left of it for the next: from its last blank, as tokens may begin with one, or
    all blanks that it ends in, of which there may be more."""
    place = len(text.rstrip(" "))
    if place == len(text):
        place = text.rfind(" ")
    return (text[:place], text[place:]) if place > 0 else (text, "")


def read_text(path: str, encoding: str) -> str:
    """A text file as a whole, see `text_blocks`; raises DataError for more than `LARGEST_TEXT`."""
    parts, size = [], 0
    for text in text_blocks(path, encoding):
        parts.append(text)
        size += len(text)
        _check_size(size, f"text file {path!r}")
    return "".join(parts)


def end_of_text(path: str, encoding: str, most: int) -> str:
    """The last characters of a text file, so many at most, see `text_blocks`."""
    end = ""
    for text in text_blocks(path, encoding):
        end = (end + text)[-most:]
    return end


def text_lines(path: str, encoding: str) -> Iterator[str]:
    """The lines of a text file without their ends, see `text_blocks`; only \\n, \\r\\n and \\r end a line.

    Raises DataError for a line of more than `LARGEST_TEXT`.
    """
    rest, number = "", 1
    for text in text_blocks(path, encoding):
        lines = (rest + text).split("\n")
        longest = max(lines, key=len)
        _check_size(len(longest), f"data file {path!r}: line {number + lines.index(longest)}")
        *lines, rest = lines
        yield from lines
        number += len(lines)
    if rest:
        yield rest


def _check_size(characters: int, what: str) -> None:
    if characters > LARGEST_TEXT:
        raise DataError(
            f"{what} has more than {LARGEST_TEXT:,} characters, which is too much for a sample: give shorter texts, or "
            "learn a long one with data.source {type: text}"
        )


def whole(text: str) -> str:
    """A text without halves of characters, as are bytes of a command line that do not decode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _ends(text: str) -> int:
    return len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1


def _strange(path: str, encoding: str, line: int, error: UnicodeDecodeError) -> str:
    with unpacked(path) as file:
        other = "utf-16" if file.read(2) in (b"\xff\xfe", b"\xfe\xff") else "latin-1"
    byte = error.object[error.start]
    return (
        f"data file {path!r} is not written in {encoding}: line {line} holds the byte 0x{byte:02x}: name its "
        f"encoding, such as data.source.encoding: {other}"
    )
