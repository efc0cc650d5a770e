"""What the steps for text share: which column they take, and what becomes of it."""

from typing import Annotated

import numpy as np

from dist_bp.data.inputs import NUMBERS, ONLY, Block, absent, row_at
from dist_bp.data.preprocess.form import Form
from dist_bp.errors import DataError
from dist_bp.messages import unknown_name
from dist_bp.options import Doc, Text
from dist_bp.types import Array

TextColumn = Annotated[Text | None, Doc("Which column of text; null: the only one.")]


def problems_of_text(label: str, form: Form, column: str | None) -> list[str]:
    """What is wrong with the column of text that a step names, one line each."""
    if not form.written:
        of_table = any(part.names is not None for part in form.inputs.values())
        remedy = "name it in data.source.text" if of_table else "leave the step out"
        return [f"{label}: the data has no column of text that is left: {remedy}"]
    if column is None:
        if len(form.written) > 1:
            return [f"{label}: there are several columns of text, {', '.join(form.written)}: name one with column"]
    elif column not in form.written:
        if column in form.texts:
            return [f"{label}: column {column!r} holds categories: name it in data.source.text"]
        return [f"{label}: there is no column of text {unknown_name(column, form.written)}"]
    name = column_of(form, column)
    if output_of(form, name) == name and name in (NUMBERS, *form.inputs):
        return [
            f"{label}: the text {name!r} cannot be an input of its own, as another is called so: give its column "
            "another name"
        ]
    return []


def column_of(form: Form, column: str | None) -> str:
    """The column of text that a step works on."""
    return form.written[0] if column is None else column


def output_of(form: Form, column: str) -> str:
    """The input that it becomes: the only one where there is nothing else, else one of its own name."""
    alone = form.texts == (column,) and [*form.inputs] == [ONLY] and form.inputs[ONLY].shape == (0,)
    return ONLY if alone else column


def texts_of(block: Block, columns: tuple[str, ...], column: str) -> list[str]:
    """The texts of one of the `columns` of a block; raises DataError where one is missing."""
    texts = block.texts[:, columns.index(column)]
    if (gone := absent(texts)).any():
        where = row_at(int(block.rows[int(np.argmax(gone))]))
        raise DataError(f"column {column!r} is missing in {where}: give the text, which may be empty")
    found: list[str] = texts.tolist()
    return found


def without_column(block: Block, columns: tuple[str, ...], column: str) -> Array:
    """The other columns of a block."""
    left: Array = np.delete(block.texts, columns.index(column), axis=1)
    return left
