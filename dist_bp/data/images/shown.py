"""Samples as people look at them."""

import numpy as np

from dist_bp.data.coded import Coded
from dist_bp.data.prepared import Prepared
from dist_bp.signals import Field
from dist_bp.types import Array


def shown_images(prepared: Prepared, split: str, rows: Array) -> Array | None:
    """The samples at indices `rows` of a split as images of uint8 (n, height, width, 1 or 3), before they were scaled.

    None where samples are no such images, or the prepared data does not keep them as bytes. Raises KeyError for a
    split that there is none of.
    """
    stored, spec = prepared.split(split).inputs, prepared.schema.inputs
    if not isinstance(stored, Coded) or not isinstance(spec, Field):
        return None
    shape = spec.shape if len(spec.shape) == 3 else (*spec.shape, 1)
    if len(shape) != 3 or shape[2] not in (1, 3):
        return None
    return np.asarray(stored.codes[rows]).reshape(len(rows), *shape)
