"""categories: a column of categories becomes whole numbers, an input of its own."""

import math
from dataclasses import dataclass, replace
from typing import Annotated, Any

from dist_bp.data.inputs import NUMBERS, Block
from dist_bp.data.preprocess.base import Blocks, Preprocessor
from dist_bp.data.preprocess.form import Columns, Form, Part
from dist_bp.data.preprocess.learnt import (
    NO_CATEGORIES,
    Coding,
    learn,
    places_of,
    problems_of_columns,
    refuse_missing,
)
from dist_bp.options import Count, Doc

UNSEEN = 0


@dataclass(frozen=True)
class Codes(Coding):
    """Makes an input of each column: its categories are 1 to n, and one that is unseen in training is 0."""

    kind = "categories"

    def transform(self, block: Block) -> Block:
        kept, made = [], dict(block.inputs)
        for position, name in enumerate(self.inputs):
            if name not in self.categories:
                kept.append(position)
                continue
            column = block.texts[:, position]
            refuse_missing(self.kind, name, column)
            made[name] = places_of(column, self.categories[name]) + 1  # -1 becomes UNSEEN
        return Block(made, block.texts[:, kept], block.rows)

    def after(self, form: Form) -> Form:
        left = self.left(form)
        if problems := _taken(form, self.categories):
            raise ValueError(problems[0])
        parts = {
            name: Part((), count=len(self.categories[name]) + 1, unseen=UNSEEN)
            for name in form.categories
            if name in self.categories
        }
        return replace(left, inputs={**form.inputs, **parts})


@dataclass(frozen=True)
class CategoriesStep(Preprocessor):
    """Make whole numbers of a categorical column, and an input of its own of it, for an embedding.

    The categories seen in training are 1 to n in alphabetical order, all others 0, whose vector in an embedding is 0.
    The numbers of the table are the
    input `numbers`, and each column is one under its own name.
    """

    name = "categories"
    columns: Annotated[Columns, Doc("Which columns; null: all categorical ones.")] = None
    max_categories: Annotated[Count | None, Doc("Most categories of a column; null: nine in ten of the rows.")] = None

    def fit(self, form: Form, blocks: Blocks) -> Codes:
        return Codes(form.texts, learn(self.label, form, blocks, self.columns, self.max_categories, math.inf))

    def problems(self, form: Form) -> list[str]:
        lines = problems_of_columns(self.label, form, self.columns)
        if not form.categories:
            lines.append(f"{self.label}: {NO_CATEGORIES}")
        return lines + [f"{self.label}: {line}" for line in _taken(form, self._chosen(form))]

    def outlook(self, form: Form) -> Form:
        chosen = self._chosen(form)
        parts = {name: Part((), count=1, unseen=UNSEEN) for name in chosen}
        return replace(form.without(chosen), inputs={**form.inputs, **parts})

    def _chosen(self, form: Form) -> list[str]:
        return [name for name in form.categories if self.columns is None or name in self.columns]


def _taken(form: Form, columns: Any) -> list[str]:
    """A line for each column whose name the inputs have already."""
    return [
        f"a column {name!r} cannot be an input of its own, as the numbers of the table are called so: give it another "
        "name, or use one_hot for it"
        for name in columns
        if name in (NUMBERS, *form.inputs)
    ]
