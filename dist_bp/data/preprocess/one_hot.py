"""one_hot: a column of categories becomes one column of 0 and 1 for each of them."""

from dataclasses import dataclass
from typing import Annotated, Any, Self

import numpy as np

from dist_bp.data.inputs import Block
from dist_bp.data.preprocess.base import Blocks, Columns, Form, Preprocessor, Transform
from dist_bp.errors import DataError
from dist_bp.foreign import checked
from dist_bp.messages import unknown_name
from dist_bp.options import Count, Doc

MOST = 500
NEARLY_ALL = 0.9
"""Of the rows: a column with more categories hardly says of two rows that they are alike."""
FEW_ROWS = 20
"""With fewer rows that may be chance."""


@dataclass(frozen=True)
class Indicators(Transform):
    """Puts the indicators of each column behind the numbers; a category unseen in training is 0 in all of them."""

    kind = "one_hot"
    inputs: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]

    def transform(self, block: Block) -> Block:
        parts, kept = [block.numbers], []
        for position, name in enumerate(self.inputs):
            column = block.texts[:, position]
            if name not in self.categories:
                kept.append(position)
                continue
            _refuse_missing(name, column)
            places = {category: place for place, category in enumerate(self.categories[name])}
            codes = np.fromiter((places.get(text, -1) for text in column), np.intp, len(column))
            parts.append((codes[:, None] == np.arange(len(places))).astype(np.float64))
        return Block(np.concatenate(parts, axis=1), block.texts[:, kept])

    def after(self, form: Form) -> Form:
        if self.inputs != form.texts or not {*self.categories} <= {*self.inputs}:
            raise ValueError(f"one_hot of {self.inputs} where the columns of categories are {form.texts}")
        made = [f"{name}={category}" for name in self.inputs for category in self.categories.get(name, ())]
        return form.with_indicators(tuple(self.categories), tuple(made))

    def to_dict(self) -> dict[str, Any]:
        categories = {name: list(values) for name, values in self.categories.items()}
        return {"inputs": list(self.inputs), "categories": categories}

    @classmethod
    def from_dict(cls, state: dict[str, Any]) -> Self:
        made: Self = checked(cls, {name: state[name] for name in ("inputs", "categories")})
        return made


@dataclass(frozen=True)
class OneHot(Preprocessor):
    """Replace a categorical column by one column of 0 and 1 a category.

    The categories are those seen in training, in alphabetical order; one of none of them gives zeros.
    """

    name = "one_hot"
    columns: Annotated[Columns, Doc("Which columns; null: all categorical ones.")] = None
    max_categories: Annotated[
        Count | None, Doc("Most categories of a column; null: 500, and nine in ten of the rows.")
    ] = None

    def fit(self, form: Form, blocks: Blocks) -> Indicators:
        chosen = [name for name in form.texts if self.columns is None or name in self.columns]
        seen: dict[str, set[str]] = {name: set() for name in chosen}
        rows = 0
        if chosen:
            for block in blocks():
                rows += len(block.texts)
                for name in chosen:
                    column = block.texts[:, form.texts.index(name)]
                    _refuse_missing(name, column)
                    seen[name].update(column)
        self._check(seen, rows)
        return Indicators(form.texts, {name: tuple(sorted(values)) for name, values in seen.items()})

    def _check(self, seen: dict[str, set[str]], rows: int) -> None:
        """Raises DataError for columns of so many categories that they tell rows apart rather than kinds of them."""
        most = self.max_categories or (MOST if rows < FEW_ROWS else min(MOST, NEARLY_ALL * rows))
        problems = [
            f"{self.label}: column {name!r} has {len(values):,} categories in {rows:,} rows to train on: leave it out "
            f"(data.source.exclude), or set max_categories: {len(values)} for a column of 0 and 1 for each"
            for name, values in seen.items()
            if len(values) > most
        ]
        if problems:
            raise DataError(problems)

    def problems(self, form: Form) -> list[str]:
        lines = []
        for name in self.columns or ():
            if name in form.column_names:
                lines.append(f"{self.label}: column {name!r} holds numbers: name it in data.source.categorical")
            elif name not in form.texts:
                lines.append(f"{self.label}: there is no categorical column {unknown_name(name, form.texts)}")
        return lines


def _refuse_missing(name: str, column: Any) -> None:
    if None in set(column):
        raise DataError(
            f"column {name!r} has missing values: put {{type: impute, strategy: most_frequent}} before "
            "one_hot, or "
            "give the values"
        )
