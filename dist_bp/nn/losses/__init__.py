"""The losses."""

from dist_bp.nn.losses.base import Loss
from dist_bp.nn.losses.classification import BinaryCrossEntropy, CrossEntropy, balanced_class_weights
from dist_bp.nn.losses.regression import Huber, MeanAbsoluteError, MeanSquaredError

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Huber",
    "Loss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "balanced_class_weights",
]
