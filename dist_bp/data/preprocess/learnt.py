"""The categories of columns, as steps learn them from the training split."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from dist_bp.data.inputs import Block
from dist_bp.data.media.names import names_files
from dist_bp.data.preprocess.base import Blocks, Transform
from dist_bp.data.preprocess.form import Columns, Form
from dist_bp.data.unseen import Unseen
from dist_bp.errors import DataError
from dist_bp.foreign import checked
from dist_bp.messages import unknown_name
from dist_bp.types import Array

NEARLY_ALL = 0.9
"""Of the rows: a column with more categories hardly says of two rows that they are alike."""
FEW_ROWS = 20
"""With fewer rows that may be chance."""
NO_CATEGORIES = "the data has no columns of categories: leave the step out"
Categories = dict[str, tuple[str, ...]]
"""Those of each column, in alphabetical order."""


@dataclass(frozen=True)
class Coding(Transform):
    """Makes numbers of categories: `inputs` are all columns of them, `categories` those of the columns it takes."""

    inputs: tuple[str, ...]
    categories: Categories

    def left(self, form: Form) -> Form:
        """The form without its columns. Raises ValueError where it was fitted to others than those of `form`."""
        if self.inputs != form.texts or not {*self.categories} <= {*form.categories}:
            raise ValueError(f"{self.kind} of {self.inputs} where the columns of categories are {form.texts}")
        return form.without(self.categories)

    def observed(self, block: Block, unseen: Unseen) -> Block:
        unseen.take(self.unseen(block))
        return self.transform(block)

    def unseen(self, block: Block) -> dict[str, Counter[str]]:
        """How often each category comes, by column, that it has not learnt; missing ones are none."""
        found = {}
        for position, name in enumerate(self.inputs):
            if name in self.categories:
                counts = Counter(block.texts[:, position].tolist())
                for known in (*self.categories[name], None):
                    counts.pop(known, None)
                found[name] = counts
        return found

    def to_dict(self) -> dict[str, Any]:
        categories = {name: list(values) for name, values in self.categories.items()}
        return {"inputs": list(self.inputs), "categories": categories}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        made: Self = checked(cls, {name: state[name] for name in ("inputs", "categories")})
        return made


def learn(label: str, form: Form, blocks: Blocks, columns: Columns, most: int | None, ceiling: float) -> Categories:
    """The categories of `columns`, of all where they are None; raises DataError.

    A column of more than `most` is refused; without it one of so many, or more than `ceiling`, that they tell rows
    apart rather than kinds of them.
    """
    seen: dict[str, set[str]] = {name: set() for name in form.categories if columns is None or name in columns}
    rows = 0
    if seen:
        for block in blocks():
            rows += len(block.texts)
            for name in seen:
                column = block.texts[:, form.texts.index(name)]
                refuse_missing(label, name, column)
                seen[name].update(column)
    most_allowed = most or (ceiling if rows < FEW_ROWS else min(ceiling, NEARLY_ALL * rows))
    problems = [
        f"{label}: column {name!r} has {len(values):,} categories in {rows:,} rows to train on"
        + (
            f", and {files}"
            if (files := names_files(values))
            else f": leave it out (data.source.exclude), or set max_categories: {len(values)} to take it all the same"
        )
        for name, values in seen.items()
        if len(values) > most_allowed
    ]
    if problems:
        raise DataError(problems)
    return {name: tuple(sorted(values)) for name, values in seen.items()}


def problems_of_columns(label: str, form: Form, columns: Columns) -> list[str]:
    """What is wrong with columns that must be of categories, one line each."""
    numbers = {name for part in form.inputs.values() for name in part.names or ()}
    lines = []
    for name in columns or ():
        if name in numbers:
            lines.append(f"{label}: column {name!r} holds numbers: name it in data.source.categorical")
        elif name not in form.categories:
            lines.append(f"{label}: there is no categorical column {unknown_name(name, form.categories)}")
    return lines


def places_of(column: Iterable[str], categories: tuple[str, ...]) -> Array:
    """The place of each category (n,) among those learnt, -1 for others."""
    places = {category: place for place, category in enumerate(categories)}
    return np.array([places.get(text, -1) for text in column], np.int64)


def refuse_missing(label: str, name: str, column: Iterable[str | None]) -> None:
    if None in set(column):
        step = label.rpartition(" ")[2]
        raise DataError(
            f"column {name!r} has missing values: put {{type: impute, strategy: most_frequent}} before "
            f"{step}, or give the values"
        )
