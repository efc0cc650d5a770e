"""How a text file for a trained model is written: as its source was, unless the command says otherwise."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import yaml

from dist_bp.data.sources.base import Source
from dist_bp.data.sources.csv import CsvSource
from dist_bp.data.sources.lines import LinesSource
from dist_bp.data.sources.text import TextSource
from dist_bp.data.sources.text_folder import TextFolderSource
from dist_bp.data.tables.csv import CsvForm
from dist_bp.errors import ConfigError, UserError
from dist_bp.foreign import NOT_ITS_TAG

TEXTS = ("separator", "quote", "decimal", "thousands", "comment", "encoding")
"""Options that are text where they are not null."""


def form_of(source: Source | None, options: Sequence[str]) -> CsvForm:
    """How a text file is written: as that of the source, but for `options`. Raises UserError."""
    names = [field.name for field in fields(CsvForm)]
    form = CsvForm(**{name: getattr(source, name) for name in names}) if isinstance(source, CsvSource) else CsvForm()
    if isinstance(source, LinesSource | TextSource | TextFolderSource):
        form = CsvForm(encoding=source.encoding)
    given: dict[str, Any] = {}
    for option in options:
        name, equals, value = option.partition("=")
        if name not in names or not equals:
            raise UserError(
                f"--csv {option!r}: must be NAME=VALUE with the name of an option of csv: {', '.join(names)}"
            )
        try:
            given[name] = _text(value) if name in TEXTS else yaml.safe_load(value)
        except (yaml.YAMLError, RecursionError, *NOT_ITS_TAG) as error:
            raise UserError(f"--csv {option!r}: the value is not valid YAML") from error
    try:
        return replace(form, **given)
    except ConfigError as error:
        raise UserError([f"--csv {line.removeprefix('CsvForm: ')}" for line in error.problems]) from error


def _text(value: str) -> str | None:
    """A text as it stands, as \\t, in quotes or null: YAML would read most signs as something else."""
    if value == "null":
        return None
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    return str(yaml.safe_load(value)) if quoted else value.replace("\\t", "\t")
