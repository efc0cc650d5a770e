"""What every file of named columns gives."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dist_bp.data.tables.notation import Notation
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name

BLOCK_CELLS = 2**18
"""Cells of text that are Python objects at a time."""


class TableFile(ABC):
    """One file of named columns.

    `names` are those of its columns, in their order; `unnamed` says what has no name and so cannot be used.
    """

    path: str
    notation: Notation
    names: tuple[str, ...]
    unnamed: tuple[str, ...]

    @abstractmethod
    def blocks(self, columns: Sequence[str], rows: int) -> Iterator[Any]:
        """Tables of pyarrow with these columns and at most `rows` rows each; raises DataError."""

    def read(self, columns: Sequence[str]) -> Any:
        """All rows of these columns; raises DataError."""
        import pyarrow as pa

        blocks = list(self.blocks(columns, max(1, BLOCK_CELLS // max(len(self.names), 1))))
        return pa.concat_tables(blocks) if blocks else pa.table({name: pa.array([], pa.string()) for name in columns})

    def check_names(self, wanted: Iterable[tuple[str, str]]) -> list[str]:
        """A line for each of (what it is for, column) that the file lacks or has twice."""
        problems = []
        for what, name in wanted:
            times = self.names.count(name)
            if times == 0:
                problems.append(f"{what}data file {self.path!r} has no column {unknown_name(name, self.names)}")
            elif times > 1:
                problems.append(
                    f"{what}data file {self.path!r} has {times} columns with the name {name!r}: {self.renaming()}"
                )
        return problems

    def renaming(self) -> str:
        """How columns of the same name are told apart."""
        return "give each a name of its own, or leave them out with data.source.exclude"

    def require(self, wanted: Iterable[tuple[str, str]], problems: Sequence[str] = ()) -> None:
        """Raises DataError with all that `check_names` finds, and `problems`."""
        if problems := [*self.check_names(wanted), *problems]:
            raise DataError([*problems, *self.header_hints()])

    def header_hints(self) -> list[str]:
        """What may be wrong with the names as a whole."""
        return []
