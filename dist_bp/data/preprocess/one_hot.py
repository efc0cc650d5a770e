"""one_hot: a column of categories becomes one column of 0 and 1 for each of them."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from dist_bp.data.inputs import ONLY, Block
from dist_bp.data.preprocess.base import Blocks, Preprocessor
from dist_bp.data.preprocess.form import Columns, Form
from dist_bp.data.preprocess.learnt import (
    NO_CATEGORIES,
    Coding,
    learn,
    places_of,
    problems_of_columns,
    refuse_missing,
)
from dist_bp.options import Count, Doc

MOST = 500


@dataclass(frozen=True)
class Indicators(Coding):
    """Puts the indicators of each column behind the numbers; a category unseen in training is 0 in all of them."""

    kind = "one_hot"
    input = ONLY

    def transform(self, block: Block) -> Block:
        parts, kept = [block.numbers(ONLY)], []
        for position, name in enumerate(self.inputs):
            column = block.texts[:, position]
            if name not in self.categories:
                kept.append(position)
                continue
            refuse_missing(self.kind, name, column)
            codes = places_of(column, self.categories[name])
            parts.append((codes[:, None] == np.arange(len(self.categories[name]))).astype(np.float64))
        block.put(ONLY, np.concatenate(parts, axis=1))
        return Block(block.inputs, block.texts[:, kept], block.rows)

    def after(self, form: Form) -> Form:
        left = self.left(form)
        if not form.texts and not self.inputs and ONLY not in form.inputs:
            return form
        made = [f"{name}={category}" for name in self.inputs for category in self.categories.get(name, ())]
        return left.given(ONLY, form.inputs[ONLY].with_indicators(tuple(made)))


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
        return Indicators(form.texts, learn(self.label, form, blocks, self.columns, self.max_categories, MOST))

    def problems(self, form: Form) -> list[str]:
        if lines := problems_of_columns(self.label, form, self.columns):
            return lines
        part = form.inputs.get(ONLY)
        takes = part is not None and len(part.shape) == 1 and not part.ragged and part.count is None
        return [] if takes else [f"{self.label}: {NO_CATEGORIES}"]
