"""Raw inputs in the one form that all later stages know: arrays by the input's name beside an array of categories."""

import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from dist_bp.data.samples import RaggedArray
from dist_bp.foreign import checked
from dist_bp.types import Array, Shape

Raw = Any
"""An array (samples, *shape), arrays of different lengths, a dict of them by the input's name, a pandas.DataFrame, or a
list of rows: what users hand over."""
ONLY = ""
"""The name of an input that has none: a lone array, or the numbers of a table."""
NUMBERS = "numbers"
"""What a network calls the numbers of a table that has other inputs, too."""
BLOCK_BYTES = 16 * 2**20
"""Size of a block of float64 numbers: with its source and its result about 64 MB are in memory at a time."""
MOST_NUMBERS = 2 * BLOCK_BYTES // 8
"""Of a block whose samples are longer than others: more than its share, as blocks are so many samples."""


@dataclass(frozen=True)
class Features:
    """What one raw input of a sample is made of.

    `shape` is that of one sample, (columns,) for a table, that of a position where samples are `ragged`; `names` are
    its columns, or None for a plain array; `categorical` are those of the columns that hold categories, `by_value`
    those of them that were numbers, and `text` are columns of text to be read, as it is written.
    """

    shape: Shape
    names: tuple[str, ...] | None = None
    categorical: tuple[str, ...] = ()
    by_value: tuple[str, ...] = ()
    ragged: bool = False
    text: tuple[str, ...] = ()

    @property
    def numeric(self) -> tuple[str, ...] | None:
        if self.names is None:
            return None
        return tuple(name for name in self.names if name not in self.worded)

    @property
    def worded(self) -> tuple[str, ...]:
        """The columns that are no numbers."""
        return (*self.categorical, *self.text)

    def check(self) -> None:
        """Raises ValueError where the parts contradict each other."""
        names = self.names or ()
        if min(self.shape, default=1) < 0 or (self.names is not None and self.shape != (len(names),)):
            raise ValueError(f"{len(names)} names for samples of shape {self.shape}")
        if len({*names}) != len(names) or not ({*self.by_value} <= {*self.categorical} and {*self.worded} <= {*names}):
            raise ValueError("a column is named twice, or is categorical and not there")
        if {*self.categorical} & {*self.text}:
            raise ValueError("a column that holds both categories and text")
        if self.ragged and self.names is not None:
            raise ValueError("a table whose samples have different lengths")


Described = Features | Mapping[str, Features]
"""Of the one input, or of several by their names."""


def by_name(features: Described) -> Mapping[str, Features]:
    """All inputs, the one that has no name by `ONLY`."""
    return {ONLY: features} if isinstance(features, Features) else features


def table_in(features: Described) -> Features | None:
    """The columns of a table, if there is one."""
    return next((one for one in by_name(features).values() if one.names is not None), None)


def array_in(features: Described) -> tuple[str, Features]:
    """The input, with its name, that is no table; the first of several."""
    return next((name, one) for name, one in by_name(features).items() if one.names is None)


def features_to_json(features: Described) -> dict[str, Any]:
    return {
        name: {**vars(one), "shape": list(one.shape), "names": None if one.names is None else list(one.names)}
        for name, one in by_name(features).items()
    }


def features_from_json(state: Any) -> Described:
    """Undoes `features_to_json`; raises ValueError."""
    made: dict[str, Features] = checked(dict[str, Features], state)
    for one in made.values():
        one.check()
    tables = [name for name, one in made.items() if one.names is not None]
    if not made or tables not in ([], [ONLY]) or (ONLY in made and len(made) > 1 and not tables):
        raise ValueError("inputs of a sample that cannot be together")
    return made[ONLY] if [*made] == [ONLY] else made


@dataclass
class Block:
    """Some rows: arrays of the inputs as steps have left them, NaN where missing, and categories and texts (rows,
    columns), None where missing. `rows` are their indices in the data.

    Steps may change arrays in place.
    """

    inputs: dict[str, Array | RaggedArray]
    texts: Array
    rows: Array

    def values(self, name: str) -> Array:
        """The array of an input, of a ragged one the positions of all samples one below the other."""
        found = self.inputs[name]
        return found.values if isinstance(found, RaggedArray) else found

    def numbers(self, name: str) -> Array:
        """As `values`, in float64: from here on the input is that array."""
        values = self.values(name)
        if values.dtype != np.float64:
            self.put(name, values.astype(np.float64))
        return self.values(name)

    def put(self, name: str, values: Array) -> None:
        """Gives an input other values, as ragged as before."""
        found = self.inputs.get(name)
        self.inputs[name] = RaggedArray(values, found.offsets) if isinstance(found, RaggedArray) else values

    def row_of(self, name: str, place: int) -> int:
        """The row of the data that an element along the first axis of `values` belongs to."""
        found = self.inputs[name]
        if isinstance(found, RaggedArray):
            place = int(np.searchsorted(found.offsets, place, "right")) - 1
        return int(self.rows[place])


@dataclass(frozen=True)
class Inputs:
    """All rows: arrays of any real dtype by the input's name, perhaps memory-mapped, and categories and texts (rows,
    columns)."""

    arrays: Mapping[str, Array | RaggedArray]
    texts: Array

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def numbers(self) -> Array | RaggedArray:
        """The array of the only input, or the numbers of a table (rows, columns)."""
        return self.arrays[ONLY]

    @property
    def width(self) -> int:
        """How many numbers a row has, on average where it is ragged."""
        sizes = (one.values.size if isinstance(one, RaggedArray) else one.size for one in self.arrays.values())
        return -(-sum(sizes) // max(len(self), 1))

    def block(self, rows: Array) -> Block:
        """A copy of the samples at ascending indices `rows`, or what turns into one by `Block.numbers`."""
        dense = len(rows) > 0 and rows[-1] - rows[0] + 1 == len(rows)
        chosen = slice(rows[0], rows[-1] + 1) if dense else rows
        taken: dict[str, Array | RaggedArray] = {}
        for name, one in self.arrays.items():
            if isinstance(one, RaggedArray):
                taken[name] = one.taken(rows)
            else:
                part = one[chosen]
                taken[name] = np.array(part, order="C") if part.dtype == np.float64 else part
        return Block(taken, self.texts[chosen], rows)

    def blocks(self, rows: Array, rows_per_block: int) -> Iterator[Block]:
        """The samples at ascending indices `rows`, some at a time."""
        return (self.block(some) for some in self.chunks(rows, rows_per_block))

    def chunks(self, rows: Array, rows_per_block: int) -> Iterator[Array]:
        """Some of the rows at a time: so many, but no more numbers of ragged inputs than `MOST_NUMBERS`, if not one
        sample has more."""
        ragged = [one for one in self.arrays.values() if isinstance(one, RaggedArray)]
        sizes = np.zeros(len(rows), np.int64)
        for one in ragged:
            sizes += one.lengths(rows) * math.prod(one.values.shape[1:])
        held = np.cumsum(sizes)
        start = 0
        while start < len(rows):
            full = int(np.searchsorted(held, held[start] - sizes[start] + MOST_NUMBERS, "right"))
            stop = min(start + rows_per_block, max(full, start + 1))
            yield rows[start:stop]
            start = stop


def chunks(rows: Array, size: int) -> Iterator[Array]:
    return (rows[start : start + size] for start in range(0, len(rows), size))


def rows_per_block(numbers: int, texts: int = 0) -> int:
    """Rows that make a block, for a sample of so many numbers and categories."""
    return max(1, BLOCK_BYTES // (8 * max(numbers + 8 * texts, 1)))


def is_table(raw: Raw) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(raw, pandas.DataFrame)


def is_named(raw: Raw) -> bool:
    """Whether these are several inputs by their names."""
    return isinstance(raw, Mapping)


def samples_of(raw: Raw) -> int:
    """How many samples there are."""
    return samples_of(next(iter(raw.values()))) if is_named(raw) else len(raw)


def part_of(raw: Raw, start: int, stop: int) -> Raw:
    """The samples from `start` to `stop`."""
    if is_named(raw):
        return {name: part_of(one, start, stop) for name, one in raw.items()}
    if isinstance(raw, RaggedArray):
        return raw.taken(np.arange(start, min(stop, len(raw))))
    return raw[start:stop]


def absent(texts: Array) -> Array:
    """Mask of the missing categories."""
    return cast(Array, np.equal(texts, cast(Any, None)))


def row_at(row: int) -> str:
    """A row for messages."""
    return f"row {row} (counted from 0)"


def with_rows(message: str, row_of: Callable[[int], int]) -> str:
    """A message on a part of a file, with the rows of the file, `row_of` those of the part, in their place."""
    return re.sub(r"\brow (\d+) \(counted from 0\)", lambda found: row_at(row_of(int(found[1]))), message)
