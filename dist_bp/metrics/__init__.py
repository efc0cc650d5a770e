"""Metrics as mergeable accumulators over the network's raw outputs, one a file."""

from dist_bp.metrics.base import Metric

__all__ = ["Metric"]
