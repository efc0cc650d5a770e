"""Samples as people look at them."""

import numpy as np

from dist_bp.data.coded import Coded
from dist_bp.data.inputs import is_named
from dist_bp.data.prepared import Prepared
from dist_bp.types import Array


def shown_images(prepared: Prepared, split: str, rows: Array) -> Array | None:
    """The samples at indices `rows` of a split as images of uint8 (n, height, width, 1 or 3), before they were scaled.

    Of several inputs it is the one that is kept as bytes. None where samples are no such images, or the prepared data
    does not keep them as bytes. Raises KeyError for a split that there is none of.
    """
    inputs = prepared.split(split).inputs
    kept = [one for one in (inputs.values() if is_named(inputs) else [inputs]) if isinstance(one, Coded)]
    if len(kept) != 1:
        return None
    (stored,) = kept
    shape = stored.codes.shape[1:]
    shape = shape if len(shape) == 3 else (*shape, 1)
    if len(shape) != 3 or shape[2] not in (1, 3):
        return None
    return np.asarray(stored.codes[rows]).reshape(len(rows), *shape)
