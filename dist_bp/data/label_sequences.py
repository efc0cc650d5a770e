"""Sequences of labels that are written as text, such as "3 7 1"."""

import numpy as np

from dist_bp.data.inputs import row_at
from dist_bp.data.samples import RaggedArray
from dist_bp.errors import DataError
from dist_bp.types import Array


def are_texts(targets: Array | RaggedArray) -> bool:
    """Whether each target is one text."""
    return isinstance(targets, np.ndarray) and targets.ndim == 1 and targets.dtype.kind == "U"


def labels_of(texts: Array) -> RaggedArray:
    """The labels of texts (n,), which blanks part; raises DataError for a text without any."""
    rows = [text.split() for text in texts.tolist()]
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    if not lengths.all():
        raise DataError(f"the target in {row_at(int(np.argmin(lengths)))} holds no label: leave such samples out")
    return RaggedArray(np.array([label for row in rows for label in row], str), np.cumsum([0, *lengths]))
