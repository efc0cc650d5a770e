"""Files with a JSON object in each line: its keys are the columns."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from dist_bp.data.files import check_files, reading
from dist_bp.data.tables.base import TableFile
from dist_bp.data.tables.notation import Notation
from dist_bp.data.text.reading import text_lines
from dist_bp.errors import DataError

TYPES = {bool: "bool", int: "int64", float: "float64", str: "string"}
LARGEST = 2**63


class JsonLinesFile(TableFile):
    """A key that an object lacks is missing there, as is null. Raises DataError, naming the line, for what is no object
    of single values, and for columns that hold values of several kinds.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.notation = Notation(typed=True)
        check_files(path)
        with reading(path, "file of JSON lines"):
            self._types = self._find_types()
        if not self._types:
            raise DataError(f"data file {path!r} holds no objects")
        self.names, self.unnamed = tuple(self._types), ()

    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        import pyarrow as pa

        objects = (found for _, found in self._objects())
        done = False
        while (block := list(islice(objects, rows))) or not done:
            done = True
            yield pa.table({name: pa.array([one.get(name) for one in block], self._type(name)) for name in columns})

    def _type(self, name: str) -> Any:
        import pyarrow as pa

        kind = self._types[name]
        return pa.null() if kind is None else pa.type_for_alias(TYPES[kind])

    def _find_types(self) -> dict[str, type | None]:
        types: dict[str, type | None] = {}
        for line, found in self._objects():
            for name, value in found.items():
                known, kind = types.setdefault(name, None), type(value)
                if value is None or kind is known:
                    continue
                if kind not in TYPES:
                    raise DataError(
                        f"data file {self.path!r}: line {line} holds {'a list' if kind is list else 'an object'} in "
                        f"{name!r}, not a single value: make columns of it, or leave it out of the file"
                    )
                if known is None or {known, kind} == {int, float}:
                    types[name] = kind if known is None else float
                else:
                    raise DataError(
                        f"data file {self.path!r}: line {line} holds {value!r} in {name!r}, which is of another kind "
                        "in the lines before: write all as text, or all as numbers"
                    )
        return types

    def _objects(self) -> Iterator[tuple[int, dict[str, Any]]]:
        for line, text in enumerate(text_lines(self.path, "utf-8"), 1):
            if not text.strip():
                continue
            try:
                found = json.loads(text, parse_constant=_constant, parse_int=_whole)
            except (ValueError, RecursionError) as error:
                raise DataError(f"data file {self.path!r}: line {line} is not JSON: {error}") from error
            if not isinstance(found, dict):
                raise DataError(f"data file {self.path!r}: line {line} holds no object, {{...}}")
            yield line, found


def _constant(name: str) -> float | None:
    return None if name == "NaN" else float(name)


def _whole(digits: str) -> int | float:
    number = int(digits) if len(digits) < 30 else 10**30
    if not -LARGEST <= number < LARGEST:
        raise ValueError(f"the number {digits[:30]} is too large: write it as text")
    return number
