"""The splits of a data set on their way to the disk."""

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from dist_bp.data.checks import Checked
from dist_bp.data.inputs import ONLY, Inputs, rows_per_block
from dist_bp.data.pipeline import Pipeline
from dist_bp.data.prepared import INPUTS, TARGETS, WEIGHTS
from dist_bp.data.samples import RaggedArray
from dist_bp.data.storing import write_fields
from dist_bp.data.text.given import text_column
from dist_bp.data.text.shown import write_shown
from dist_bp.data.unseen import Unseen
from dist_bp.errors import CapacityError
from dist_bp.types import Array

OFFSET_BYTES = 8
FIRST = 64
"""Samples that tell how large the others are about, at most."""


@dataclass(frozen=True)
class Part:
    """A split: where its inputs come from, the rows of them, its finished targets and weights."""

    inputs: Inputs
    rows: Array
    targets: Array | RaggedArray
    weights: Array | None

    @classmethod
    def of(cls, samples: Checked, rows: Array, coded: Array | RaggedArray) -> "Part":
        weights = None if samples.weights is None else samples.weights[rows]
        return cls(samples.inputs, rows, taken(coded, rows), weights)

    @property
    def first(self) -> Array:
        """Rows that tell how large the others are about."""
        return next(self.inputs.chunks(self.rows, FIRST), self.rows)


Parts = dict[str, Part]


def write_parts(directory: Path, parts: Parts, pipeline: Pipeline) -> dict[str, Unseen]:
    """Writes the arrays of all splits, a block of rows at a time; what each has that training has not seen.

    Raises CapacityError where they do not fit the disk, DataError for texts of which training would know no token.
    """
    needed = sum(_bytes(part, pipeline) for part in parts.values())
    free = shutil.disk_usage(directory).free
    if needed > free:
        raise CapacityError(
            f"data.prepared: the prepared data needs {needed / 2**30:.1f} GiB, {str(directory.parent)!r} has "
            f"{free / 2**30:.1f} GiB free: give another folder"
        )
    found = {}
    for name, part in parts.items():
        unseen = found[name] = Unseen()
        folder = directory / name
        folder.mkdir()
        at_a_time = rows_per_block(max(part.inputs.width + 8 * part.inputs.texts.shape[1], _width(part, pipeline)))
        blocks = (
            pipeline.apply(part.inputs, some, as_bytes=True, unseen=unseen)
            for some in part.inputs.chunks(part.rows, at_a_time)
        )
        write_fields(folder / INPUTS, blocks)
        write_fields(folder / TARGETS, [part.targets])
        if part.weights is not None:
            write_fields(folder / WEIGHTS, [part.weights])
        if name == "train":
            unseen.check_texts()
        elif text_column(pipeline):
            write_shown(folder, part.inputs, part.rows)
    return found


def _width(part: Part, pipeline: Pipeline) -> int:
    """Numbers of a finished sample, those of ragged inputs at their average length."""
    made = pipeline.apply(part.inputs, part.first)
    fields = [*made.values()] if isinstance(made, dict) else [made]
    sizes = [(one.values if isinstance(one, RaggedArray) else one).size / max(len(one), 1) for one in fields]
    return part.inputs.width + math.ceil(sum(sizes))


def _bytes(part: Part, pipeline: Pipeline) -> int:
    """What a split needs on the disk, but for the heads of its files."""
    made = pipeline.apply(part.inputs, part.first, as_bytes=True)
    needed = _stored_bytes(part.targets) + (0 if part.weights is None else part.weights.nbytes)
    for name, one in made.items() if isinstance(made, dict) else [(ONLY, made)]:
        if not isinstance(one, RaggedArray):
            needed += len(part.rows) * one[:1].nbytes
            continue
        raw, size = part.inputs.arrays.get(name), one.values.dtype.itemsize * math.prod(one.values.shape[1:])
        positions = len(part.rows) * len(one.values) / max(len(one), 1)  # of those that are made of text
        if isinstance(raw, RaggedArray):
            positions = int(raw.lengths(part.rows).sum())
        needed += int(positions * size) + (len(part.rows) + 1) * OFFSET_BYTES
    return needed


def _stored_bytes(stored: Array | RaggedArray) -> int:
    return stored.values.nbytes + stored.offsets.nbytes if isinstance(stored, RaggedArray) else stored.nbytes


def taken(targets: Array | RaggedArray, rows: Array) -> Array | RaggedArray:
    """The targets at indices `rows`."""
    return targets.taken(rows) if isinstance(targets, RaggedArray) else targets[rows]
