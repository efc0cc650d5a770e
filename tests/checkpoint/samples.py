"""Small checkpoints for the tests."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from dist_bp.checkpoint import Checkpoint
from dist_bp.checkpoint.manifest import MANIFEST, FileRecord


def sample(step: int = 1, dtype: str = "float32", **changes: Any) -> Checkpoint:
    draw = np.random.default_rng(step)
    facts: dict[str, Any] = {
        "step": step,
        "parameters": {
            "0.weight": draw.normal(size=(4, 3)).astype(dtype),
            "0.bias": draw.normal(size=3).astype(dtype),
        },
        "statistics": {"1.mean": draw.normal(size=3).astype(dtype)},
        "optimizer": {"m": draw.normal(size=15).astype(dtype), "v": draw.normal(size=15).astype(dtype)},
        "progress": {"loss": np.array(0.5), "rows": np.array([7], "int64")},
        "loop_state": {"best": float("inf")},
        "history": ({"step": 1, "val_loss": 0.1},),
        "metrics": {"val_loss": 1 / 3},
        "config": "name: digits\n# kept as it is: é\r\n",
        "pipeline": {"steps": [{"type": "standardize", "mean": [0.1]}]},
        "dtype": dtype,
        "data_digest": "da7a" * 16,
        "epoch": 2,
        "step_in_epoch": 3,
        "job": "digits",
        "run_id": "run",
    }
    return Checkpoint(**facts | changes)


def rewrite(directory: Path, name: str, content: bytes) -> None:
    """Another content of one file of a checkpoint, with right digests: what whoever made it can do."""
    (directory / name).write_bytes(content)
    manifest = json.loads((directory / MANIFEST).read_bytes())
    manifest["files"][name] = asdict(FileRecord.of(directory / name))
    sign(directory, manifest)


def sign(directory: Path, manifest: dict[str, Any]) -> None:
    """Writes a manifest with the right digest of itself."""
    content = {name: value for name, value in manifest.items() if name != "digest"}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    (directory / MANIFEST).write_text(json.dumps({**content, "digest": digest}))


def assert_equal(one: Checkpoint, other: Checkpoint) -> None:
    """Equal to the bit, NaN payloads included."""
    for group in ("parameters", "statistics", "optimizer", "progress"):
        ours, theirs = getattr(one, group), getattr(other, group)
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert (ours[name].shape, ours[name].dtype) == (theirs[name].shape, theirs[name].dtype), name
            assert ours[name].tobytes() == theirs[name].tobytes(), name
    for name in ("step", "epoch", "step_in_epoch", "loop_state", "history", "metrics", "config", "pipeline", "dtype"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("data_digest", "job", "run_id"):
        assert getattr(one, name) == getattr(other, name), name
