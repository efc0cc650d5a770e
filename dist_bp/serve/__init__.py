"""Saved models: raw rows in, predictions out. Needs neither Ray nor MLflow."""

from dist_bp.serve.find import find_model
from dist_bp.serve.saved_model import SavedModel
from dist_bp.serve.splits import evaluate_split

__all__ = ["SavedModel", "evaluate_split", "find_model"]
