"""Metrics as mergeable accumulators over the network's raw outputs."""

from dist_bp.metrics.base import Metric
from dist_bp.metrics.classification import F1, Accuracy, ConfusionMatrix, Precision, Recall, TopK
from dist_bp.metrics.lookup import metric
from dist_bp.metrics.regression import R2, MeanAbsoluteError, MeanSquaredError
from dist_bp.metrics.roc_auc import RocAuc

__all__ = [
    "F1",
    "R2",
    "Accuracy",
    "ConfusionMatrix",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "Precision",
    "Recall",
    "RocAuc",
    "TopK",
    "metric",
]
