"""Weights of samples: how much each counts in loss, metrics and the balance of classes."""

from typing import Any

import numpy as np

from dist_bp.data.inputs import row_at
from dist_bp.errors import DataError
from dist_bp.types import Array, DType


def weight_array(raw: Any, samples: int, dtype: DType) -> Array:
    """Raw weights as an array (samples,) of the model's dtype; raises DataError naming the first that is none."""
    try:
        array = np.asarray(raw)
    except ValueError as error:
        raise DataError(f"the weights must be numbers (n,): {error}") from error
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.dtype.kind not in "biuf" or array.ndim != 1:
        raise DataError(f"the weights must be numbers of shape (n,), one a sample, got {array.dtype} {array.shape}")
    if len(array) != samples:
        raise DataError(f"there are {samples} inputs but {len(array)} weights")
    with np.errstate(over="ignore"):
        weights: Array = array.astype(dtype)
    wrong = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0)))
    if len(wrong):
        value, where = array[wrong[0]].item(), row_at(int(wrong[0]))
        reason = f"is too large for {dtype}" if np.isfinite(value) and value > 0 else "is none: give a number from 0 on"
        raise DataError(f"the weight {value!r} in {where} {reason}")
    return weights


def check_some(weights: Array | None, split: str) -> None:
    """Raises DataError where all weights of a split are 0."""
    if weights is not None and not weights.any():
        raise DataError(
            f"all weights of the {split} split are 0 in {weights.dtype}: give some of its samples weight, or draw "
            "other splits (seed, data.split)"
        )
