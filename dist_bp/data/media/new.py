"""New files for a model, decoded: those that cannot be read are refused, or left out."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import numpy as np

from dist_bp.data.inputs import array_in, is_named
from dist_bp.data.media.files import IfUnreadable, MediaFiles, media_files, named, with_arrays
from dist_bp.data.media.medium import medium_of
from dist_bp.data.media.raw import Ready, alike
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.tables.rows import Rows
from dist_bp.errors import DataError
from dist_bp.media.decoder import Unlike
from dist_bp.media.decoding import BLOCK_BYTES, FILES, HERE, Decoding
from dist_bp.types import Array

OPTION = "--unreadable skip"


@dataclass(frozen=True)
class NewFiles:
    """How they are read, and who hears a line on those that are left out, or converted."""

    unreadable: IfUnreadable = "error"
    decoding: Decoding = HERE
    note: Callable[[str], object] = lambda line: None
    rate: int | None = None
    """Of sounds in arrays; None: that of the source that was trained on."""


REFUSED = NewFiles()
"""Files that cannot be read are refused."""


def decoded_rows(
    pipeline: Pipeline, listed: Sequence[Rows], new: NewFiles, problems: Sequence[str] = ()
) -> Iterator[Rows]:
    """Rows of files as rows of their arrays, a block at a time, of few files where these hold much. What is skipped has
    no row.

    Raises DataError, with `problems`, for all files that cannot be read or are not as in training, once it has looked
    at them all; from the first of them on there are no more rows.
    """
    decoder = pipeline.decoder
    assert decoder
    medium, (_, features) = medium_of(decoder.many), array_in(pipeline.features)
    findings = medium.findings(new.unreadable == "skip", OPTION, decoder)
    files = [media_files(rows.inputs) or () for rows in listed]
    items = [item for some in files for item in some]
    with closing(new.decoding.decode(decoder, items)) as blocks:
        found = chain.from_iterable(blocks)
        for rows, some in zip(listed, files, strict=True):
            arrays: list[Array] = []
            kept: list[int] = []
            for place, item in enumerate(some):
                one = alike(next(found), decoder, features, decoder.name_of(item))
                if findings.take(named(item), one) and not isinstance(one, Unlike):
                    arrays.append(decoder.packed(one)[0])
                    kept.append(place)
                if problems or not findings.good:
                    arrays, kept = [], []
                elif len(kept) == FILES or sum(array.nbytes for array in arrays) >= BLOCK_BYTES:
                    yield _chosen(rows, np.array(kept), Ready(medium.joined(arrays, features)))
                    arrays, kept = [], []
            if kept:
                yield _chosen(rows, np.array(kept), Ready(medium.joined(arrays, features)))
    if wrong := [*problems, *findings.problems()]:
        raise DataError(wrong)
    for line in findings.notes:
        new.note(line)


def _chosen(rows: Rows, places: Array, arrays: Ready) -> Rows:
    """Those of the rows at `places`, with their arrays."""
    inputs = rows.inputs
    if is_named(inputs):
        inputs = {name: one if isinstance(one, MediaFiles) else one.iloc[places] for name, one in inputs.items()}
    return Rows(
        with_arrays(inputs, arrays),
        None if rows.targets is None else rows.targets[places],
        None if rows.ids is None else rows.ids.iloc[places],
        lambda place: rows.row_of(int(places[place])),
        None if rows.weights is None else rows.weights[places],
        None if rows.files is None else rows.files.iloc[places],
    )
