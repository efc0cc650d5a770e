"""Names and values from elsewhere: what is read of them, and what is not taken for what it says it is."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, StringConstraints, TypeAdapter, ValidationError

from dist_bp.files import read_file

TEXT_BYTES = 2**20
"""The most that a file written by hand may have."""
RECORD_BYTES = 2**28
"""The most that a file of records may have."""
NOT_ITS_TAG = (ValueError, LookupError, AttributeError, TypeError, ArithmeticError)
"""What PyYAML lets out where a text is not what its tag says: `!!bool x` is a KeyError."""
HUGE = re.compile(r"[\[:, ]-?[0-9]{309}")
"""A whole number in JSON that is beyond all floats: pydantic would take it for infinity."""
FILE_NAME = r"(?!\.+$)[A-Za-z0-9._-]{1,128}"


def read_json(path: Path | str) -> Any:
    """The value in a file. Raises OSError as `open_file`, ValueError for what is not JSON."""
    text = read_file(path, RECORD_BYTES)
    try:
        value = json.loads(text)
        if b"\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("a text in it holds half a character") from None
    return value


def checked(kind: Any, value: Any) -> Any:
    """A value from JSON as an annotated type, a dataclass perhaps: a number is no truth value, and no text either.

    Raises ValueError, which says what does not fit.
    """
    try:
        text = json.dumps(value)
        if HUGE.search(text):
            raise ValueError("a number is too large")
        return _adapter(kind).validate_json(text, strict=True)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place}: {first['msg']}" if place else first["msg"]) from None


def file_name(value: str) -> str:
    """The value; raises ValueError where it cannot be the name of a file everywhere."""
    if re.fullmatch(FILE_NAME, value):
        return value
    if re.fullmatch(r"[A-Za-z0-9._-]+", value):
        raise ValueError(f"must be made of at most 128 characters, and not of dots alone, got {value!r}")
    raise ValueError(f"must be made of letters, digits, '.', '_' and '-', got {value!r}")


def reason(error: OSError | ValueError) -> str:
    """What `open_file` or `read_json` raised, without the number of an error of the system."""
    return getattr(error, "strerror", None) or str(error)


FileName = Annotated[str, AfterValidator(lambda value: value and file_name(value))]
"""Of a field that `checked` is to check: empty, or the name of a file."""
Sha256 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
"""Of a field that `checked` is to check: a digest in hexadecimal."""


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
