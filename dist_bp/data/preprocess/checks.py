"""Whether steps fit the data, and make numbers of all that it holds."""

from collections.abc import Sequence

from dist_bp.data.inputs import ONLY, Described, Inputs, by_name, row_at
from dist_bp.data.media.names import names_files
from dist_bp.data.preprocess.base import Preprocessor
from dist_bp.data.preprocess.form import Form
from dist_bp.errors import DataError


def check_steps(preprocessors: Sequence[Preprocessor], form: Form) -> None:
    """Raises DataError for steps that name what is not there."""
    problems = []
    for preprocessor in preprocessors:
        found = preprocessor.problems(form)
        problems += found
        if not found:
            form = preprocessor.outlook(form)
    if problems:
        raise DataError(problems)


def check_coded(form: Form, inputs: Inputs, features: Described) -> None:
    """Raises DataError for columns of categories and of text that are left after all steps."""
    if not form.texts:
        return
    problems = []
    columns = by_name(features)[ONLY].worded
    for name in form.texts:
        if name in form.written:
            problems.append(
                f"column {name!r} holds text: add {{type: tokenize}} to data.preprocess, or leave the column out with "
                "data.source.features"
            )
            continue
        column = inputs.texts[:, columns.index(name)]
        if files := names_files(column):
            problems.append(f"column {name!r} {files}")
            continue
        row, text = next(((i, text) for i, text in enumerate(column) if not _is_number(text)), (0, column[0]))
        problems.append(
            f"column {name!r} holds categories ({text!r} in {row_at(row)}): add {{type: one_hot}} to "
            "data.preprocess, or leave the column out with data.source.features"
        )
    raise DataError(problems)


def _is_number(text: str | None) -> bool:
    try:
        float(text or "nan")
    except ValueError:
        return False
    return True
