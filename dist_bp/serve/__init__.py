"""Saved models: raw rows in, predictions out. Needs neither Ray nor MLflow."""

from dist_bp.serve.locate import find_model
from dist_bp.serve.saved_model import SavedModel

__all__ = ["SavedModel", "find_model"]
