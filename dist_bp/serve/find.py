"""What a user may call a model, and the directory that holds it."""

import re
from collections.abc import Callable
from pathlib import Path

from dist_bp.checkpoint import open_store, resolve_folder
from dist_bp.checkpoint.manifest import MANIFEST
from dist_bp.errors import CheckpointError

PACKAGED = "MLmodel"
EXPORTED = "model"
ARTIFACT = "model"
"""What a packaged model is called among its artifacts."""
_URI = re.compile(r"[A-Za-z][\w+.-]*:/.*")


def find_model(name: str, root: Path, download: Callable[[str], Path]) -> Path:
    """The directory of a saved model.

    `name` is a checkpoint, a run's folder (its final model, or else its best checkpoint), a run below `root` (its id,
    the beginning of it, its name), a downloaded MLflow model, or the URI of one, which `download` fetches. Raises
    CheckpointError.
    """
    path = download(name) if _URI.fullmatch(name) else resolve_folder(name, root)
    if (path / MANIFEST).is_file():
        return path
    if (path / EXPORTED / MANIFEST).is_file():
        return path / EXPORTED
    if (path / PACKAGED).is_file():
        for manifest in path.glob(f"artifacts/*/{MANIFEST}"):
            return manifest.parent
        raise CheckpointError(f"{path} is an MLflow model, but not one of dist_bp")
    if found := open_store(path).best():
        if found.passed_over:
            raise CheckpointError([*found.passed_over, f"the best intact one is {found.path}: name it to use it"])
        return found.path
    raise CheckpointError(f"{name} holds neither a model nor a checkpoint")
