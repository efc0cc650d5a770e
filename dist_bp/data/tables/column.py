"""One column of a table as it was read, and what becomes of it: numbers or categories."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from dist_bp.data.categories import category_of
from dist_bp.data.inputs import row_at
from dist_bp.data.media.names import names_files
from dist_bp.data.tables.advice import advice
from dist_bp.data.tables.base import TableFile
from dist_bp.data.tables.notation import Cells, as_numbers
from dist_bp.errors import DataError
from dist_bp.types import Array


@dataclass(frozen=True)
class Column:
    """`raw` are the cells from row `first` of the file on, or those that are `kept` of them.

    Null, NaN and words for it are missing; in a column that is `text`, as it is written, null alone.
    """

    file: TableFile
    name: str
    raw: Cells
    first: int = 0
    kept: Array | None = None
    text: bool = False

    @cached_property
    def plain(self) -> Cells:
        """The cells as they are written, a dictionary's by its values."""
        import pyarrow as pa

        kind = self.raw.type.value_type if pa.types.is_dictionary(self.raw.type) else self.raw.type
        return self.raw.cast(pa.large_string() if pa.types.is_string_view(kind) else kind)

    @cached_property
    def cells(self) -> Cells:
        """The values, null where missing: of text, integers, floats, truth values, decimals or of another type."""
        import pyarrow as pa
        import pyarrow.compute as pc

        cells = self.plain
        if self.text:
            return cells
        if is_text(cells.type):
            return self.file.notation.present(cells)
        if pa.types.is_floating(cells.type):
            return pc.if_else(pc.is_nan(cells), pa.scalar(None, cells.type), cells)
        return cells

    @property
    def _where(self) -> str:
        return f"column {self.name!r} of {self.file.path!r}"

    @cached_property
    def is_simple(self) -> bool:
        """Whether it is text and all of it numbers of which nothing is to be said; looked at once."""
        return is_text(self.cells.type) and self.file.notation.are_simple(self.cells)

    @property
    def is_dictionary(self) -> bool:
        """Whether the file says that these are categories."""
        import pyarrow as pa

        return bool(pa.types.is_dictionary(self.raw.type))

    @property
    def is_of_numbers(self) -> bool:
        """Whether the file holds numbers, which are not known by how they are written, be they categories or not."""
        return is_number(self.plain.type)

    @cached_property
    def missing(self) -> Array:
        """Mask of the cells without a value."""
        mask: Array = self.cells.is_null().to_numpy(zero_copy_only=False)
        return mask

    def row(self, place: int) -> int:
        """The row of the file that a cell is in."""
        return self.first + (place if self.kept is None else int(self.kept[place]))

    def at(self, place: int) -> str:
        """A cell and where it is, for messages."""
        return f"{str(self.cells[place].as_py())!r} in {row_at(self.row(place))}"

    def words(self) -> Counter[str]:
        """What the missing cells hold, and how often."""
        import pyarrow as pa
        import pyarrow.compute as pc

        gone = self.plain.filter(pa.array(self.missing)).cast(pa.string())
        counts: Counter[str] = Counter()
        for entry in pc.value_counts(gone).to_pylist():
            text = None if entry["values"] is None else entry["values"].strip()
            counts["null" if text is None else repr(text) if text else "empty"] += entry["counts"]
        return counts

    def names_files(self) -> str | None:
        """What to do, where it holds names of files of images or sounds."""
        return names_files(self.cells.to_pylist()) if is_text(self.cells.type) else None

    def line_ends(self) -> int:
        """How many cells of text hold one: what stands between two stray quotes of a file becomes one cell."""
        import pyarrow.compute as pc

        if not is_text(self.cells.type) or self.file.notation.typed:
            return 0
        return int(pc.sum(pc.match_substring(self.cells, "\n")).as_py() or 0)

    def numbers(self) -> Array:
        """Integers where all are whole and none is missing, else floats, NaN where missing; raises DataError."""
        import pyarrow as pa
        import pyarrow.compute as pc

        cells, types = self.cells, pa.types
        if is_text(cells.type):
            strange = -1 if self.is_simple else pc.index(self.file.notation.are_numbers(cells), False).as_py()
            if strange >= 0:
                remedy = advice(str(cells[strange].as_py()), self.file.notation)
                raise DataError(f"{self._where} is one of numbers and holds {self.at(strange)}: {remedy}")
            return self.file.notation.numbers(cells)
        if types.is_boolean(cells.type):
            cells = cells.cast(pa.int8())
        if not is_number(cells.type):
            raise DataError(f"{self._where} is one of numbers and holds {cells.type}")
        whole = types.is_integer(cells.type) and cells.null_count == 0
        return as_numbers(cells, cells.type if whole or types.is_floating(cells.type) else pa.float64())

    @cached_property
    def _named(self) -> Cells:
        """The cells as those of categories: text, numbers or truth values; raises DataError."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_decimal(self.cells.type):
            return self.cells
        cells, notation = self._written, replace(self.file.notation, strip=())  # 5% and $5 are two categories
        if not is_text(cells.type) or notation.is_plain:
            return cells
        return pc.if_else(notation.are_numbers(self.cells), notation.plain(self.cells), cells)

    @cached_property
    def _written(self) -> Cells:
        """Text as it is written, whole numbers, floats or truth values, null where missing; raises DataError."""
        import pyarrow as pa
        import pyarrow.compute as pc

        cells, types = self.cells, pa.types
        if is_text(cells.type):
            return pc.if_else(cells.is_null(), pa.scalar(None, cells.type), self.plain)  # with the blanks around it
        if types.is_decimal(cells.type) or types.is_temporal(cells.type) or types.is_null(cells.type):
            return cells.cast(pa.string())
        if not (types.is_integer(cells.type) or types.is_floating(cells.type) or types.is_boolean(cells.type)):
            raise DataError(f"{self._where} is one of categories and holds {cells.type}")
        return cells

    def categories(self) -> Any:
        """Text, numbers or truth values as a pandas Series, None or NA where missing; raises DataError."""
        import pandas as pd
        import pyarrow as pa

        cells = self._named
        if pa.types.is_integer(cells.type):
            return pd.Series(cells.to_pylist(), dtype="Int64") if cells.null_count else cells.to_pandas()
        return pd.Series(np.array([*_values(cells), None], object)[:-1], dtype=object)

    def texts(self) -> Any:
        """As they are written, None where missing: a pandas Series. Raises DataError for other cells."""
        import pandas as pd
        from pyarrow import types

        if not is_text(self.plain.type) and not types.is_null(self.plain.type):
            raise DataError(f"{self._where} is one of text and holds {self.plain.type}")
        return pd.Series(self.plain.to_pylist(), dtype=object)

    def names(self) -> Any:
        """What names the rows, as it is written: a pandas Series whose type is the same where all are missing.

        Raises DataError.
        """
        import pandas as pd
        from pyarrow import types

        kind, dtype = self._written.type, "string"
        if types.is_integer(kind):
            dtype = "UInt64" if types.is_unsigned_integer(kind) else "Int64"
        elif not is_text(kind):
            dtype = "boolean" if types.is_boolean(kind) else "float64"
        return pd.Series(self._written.to_pylist(), dtype=dtype)

    def distinct(self) -> int:
        """How many categories there are, as they are learnt."""
        import pyarrow.compute as pc

        return len({category_of(value) for value in _values(pc.unique(self._named)) if value is not None})


def _values(cells: Cells) -> list[Any]:
    """Cells one by one, None where they are null; floats as exact as they are, and no more."""
    from pyarrow import types

    if not types.is_floating(cells.type):
        return list(cells.to_pylist())
    return [None if value != value else value for value in cells.to_numpy(zero_copy_only=False)]


def without(columns: Sequence[Column], gone: Array) -> list[Column]:
    """The columns of a table without the rows of a mask."""
    import pyarrow as pa

    if not gone.any():
        return list(columns)
    kept = np.flatnonzero(~gone)
    return [replace(one, raw=one.raw.filter(pa.array(~gone)), kept=kept) for one in columns]


def is_text(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def is_number(kind: Any) -> bool:
    """Whether a type of pyarrow is one of numbers; a column without any value counts as such."""
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind))
