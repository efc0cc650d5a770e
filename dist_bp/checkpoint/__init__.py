"""Checkpoints: everything a run needs to go on, or a model to predict, in one verified directory."""

from dist_bp.checkpoint.format import Checkpoint, copy_model
from dist_bp.checkpoint.matching import array_differences, check_matches
from dist_bp.checkpoint.runs import (
    CHECKPOINTS,
    ResumableRun,
    find_runs,
    forget_empty,
    is_past,
    name_run,
    open_store,
    resolve,
    resolve_folder,
    run_names,
)
from dist_bp.checkpoint.store import CheckpointStore, Found, export_model, load

__all__ = [
    "CHECKPOINTS",
    "Checkpoint",
    "CheckpointStore",
    "Found",
    "ResumableRun",
    "array_differences",
    "check_matches",
    "copy_model",
    "export_model",
    "find_runs",
    "forget_empty",
    "is_past",
    "load",
    "name_run",
    "open_store",
    "resolve",
    "resolve_folder",
    "run_names",
]
