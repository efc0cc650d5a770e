"""New images for a model, decoded: those that cannot be read are refused, or left out."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import chain

import numpy as np

from dist_bp.data.images.files import ImageFiles, Unreadable, image_files, with_images
from dist_bp.data.images.raw import Pixels
from dist_bp.data.inputs import array_in, is_named
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.tables.rows import Rows
from dist_bp.errors import DataError
from dist_bp.images.decoding import HERE, Decoding
from dist_bp.types import Array

IMAGES = 32
"""In a block of rows, at most."""
BLOCK_BYTES = 2**24
OPTION = "--unreadable skip"


@dataclass(frozen=True)
class NewImages:
    """How they are read, and who hears a line on those that are left out."""

    unreadable: Unreadable = "error"
    decoding: Decoding = HERE
    note: Callable[[str], object] = lambda line: None


REFUSED = NewImages()
"""Files that cannot be read are refused."""


def decoded_rows(
    pipeline: Pipeline, listed: Sequence[Rows], images: NewImages, problems: Sequence[str] = ()
) -> Iterator[Rows]:
    """Rows of image files as rows of their pixels, a block at a time. What is skipped has no row.

    Raises DataError, with `problems`, for all images that cannot be read or are not as in training, once it has looked
    at them all; from the first of them on there are no more rows.
    """
    from dist_bp.data.images.findings import Findings
    from dist_bp.images.decoder import alike

    assert pipeline.decoder
    shape = array_in(pipeline.features)[1].shape
    findings = Findings(images.unreadable == "skip", OPTION)
    size = max(1, min(IMAGES, BLOCK_BYTES // math.prod(shape)))
    files = [image_files(rows.inputs) or () for rows in listed]
    paths = [path for some in files for path in some]
    with closing(images.decoding.decode(pipeline.decoder, paths)) as blocks:
        found = chain.from_iterable(blocks)
        for rows, some in zip(listed, files, strict=True):
            for start in range(0, len(rows), size):
                pixels = np.empty((size, *shape), np.uint8)
                kept: list[int] = []
                for place, path in enumerate(some[start : start + size]):
                    name = f"image file {path!r}"
                    one = alike(next(found), shape, name)
                    if findings.take(path, one) and isinstance(one, np.ndarray):
                        pixels[len(kept)] = one
                        kept.append(start + place)
                if kept and findings.sound and not problems:
                    yield _chosen(rows, np.array(kept), pixels[: len(kept)])
    if wrong := [*problems, *findings.problems()]:
        raise DataError(wrong)
    for line in findings.notes:
        images.note(line)


def _chosen(rows: Rows, places: Array, pixels: Array) -> Rows:
    """Those of the rows at `places`, with their pixels."""
    inputs = rows.inputs
    if is_named(inputs):
        inputs = {name: one if isinstance(one, ImageFiles) else one.iloc[places] for name, one in inputs.items()}
    return Rows(
        with_images(inputs, Pixels(pixels)),
        None if rows.targets is None else rows.targets[places],
        None if rows.ids is None else rows.ids.iloc[places],
        lambda place: rows.row_of(int(places[place])),
        None if rows.weights is None else rows.weights[places],
    )
