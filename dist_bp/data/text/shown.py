"""Some texts of the splits that a run is measured on, as people wrote them: kept beside what was made of them."""

import json
from pathlib import Path

from dist_bp.data.inputs import Inputs
from dist_bp.data.samples import evenly
from dist_bp.data.text.reading import whole
from dist_bp.foreign import checked
from dist_bp.types import Array

FILE = "texts.json"
MOST, LETTERS = 2000, 240
"""Texts of a split that are kept, from all over it, and of each the beginning."""


def write_shown(folder: Path, inputs: Inputs, rows: Array) -> None:
    """Keeps texts of a split, whose samples are those of `inputs`, a column of text, at indices `rows`."""
    kept = [whole(str(text))[:LETTERS] for text in inputs.texts[rows[evenly(len(rows), MOST)], 0]]
    (folder / FILE).write_text(json.dumps(kept))


def shown_texts(folder: Path) -> list[str] | None:
    """The texts of the split's samples `evenly(samples, len(texts))`; None where none are kept."""
    try:
        found: list[str] = checked(list[str], json.loads((folder / FILE).read_text()))
    except (OSError, ValueError):
        return None
    return found
