"""Sounds as people look at them."""

import numpy as np

from dist_bp.data.prepared import Prepared
from dist_bp.signals import Field
from dist_bp.types import Array

LEAST_VALUES = 4
"""At a position, for a picture that shows more than a curve."""
WIDEST = 96
"""Positions of a picture."""


def has_spectrograms(prepared: Prepared) -> bool:
    """Whether samples are sounds with several values at each position."""
    decoder, spec = prepared.pipeline.decoder, prepared.schema.inputs
    if decoder is None or decoder.many != "sounds" or not isinstance(spec, Field):
        return False
    return spec.ragged and spec.kind == "float" and len(spec.shape) == 1 and spec.shape[0] >= LEAST_VALUES


def spectrograms(prepared: Prepared, split: str, rows: Array) -> Array:
    """The samples at indices `rows` of a split, where there are spectrograms, as pictures of uint8 (n, values,
    positions, 1).

    Time runs to the right, the first value is at the bottom, and of each sample the largest number is black and the
    smallest white, as is what lies behind its end. Of long samples some positions at a time are shown by their mean.
    """
    stored = prepared.split(split).inputs
    samples = [stored.values[stored.offsets[row] : stored.offsets[row + 1]] for row in rows]
    step = max(1, -(-max(map(len, samples), default=0) // WIDEST))
    means = [np.add.reduceat(one, range(0, len(one), step)) for one in samples]
    widths = [np.diff([*range(0, len(one), step), len(one)])[:, np.newaxis] for one in samples]
    pictures = np.full((len(rows), stored.values.shape[1], max(map(len, means), default=0), 1), 255, np.uint8)
    for picture, total, width in zip(pictures, means, widths, strict=True):
        picture[::-1, : len(total), 0] = _inked(total / width).T
    return pictures


def _inked(numbers: Array) -> Array:
    low, high = float(numbers.min()), float(numbers.max())
    return np.rint((high - numbers.astype(np.float64)) * (255 / (high - low if high > low else 1.0))).astype(np.uint8)
