"""A checkpoint as a value, and the directory that holds it: arrays as safetensors, texts as YAML and JSON."""

import errno
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from dist_bp.checkpoint.history import HistoryWriter, read_history
from dist_bp.checkpoint.manifest import HISTORY, MANIFEST, Facts, FileRecord, Manifest
from dist_bp.errors import CheckpointError
from dist_bp.files import fsync_directory, read_file
from dist_bp.foreign import TEXT_BYTES, checked, read_json, reason
from dist_bp.messages import one_line
from dist_bp.types import Array, Direction

Arrays = Mapping[str, Array]

MODEL = "model.safetensors"
OPTIMIZER = "optimizer.safetensors"
PROGRESS = "progress.safetensors"
CONFIG = "config.yaml"
PIPELINE = "pipeline.json"
REQUIRED = (MODEL, CONFIG, PIPELINE)
FOR_RESUMING = (OPTIMIZER, PROGRESS, HISTORY)
"""Files that a prediction does not need; written only where there is something in them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Checkpoint(Facts):
    """State of a run after `step` updates.

    `parameters` and `statistics` go by the names and shapes of the model's layout, `optimizer` by the names of the
    rule's slots (flat, as long as the parameters). `progress` holds small named arrays that the loop wants back beside
    its `loop_state`. `history` has a row of numbers for each epoch that was measured; of a run, later checkpoints have
    the same rows first.
    """

    parameters: Arrays
    statistics: Arrays
    config: str
    pipeline: dict[str, Any]
    optimizer: Arrays = field(default_factory=dict)
    progress: Arrays = field(default_factory=dict)
    history: tuple[dict[str, float], ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays: what a checkpoint takes on disk, but for a few kilobytes."""
        groups = (self.parameters, self.statistics, self.optimizer, self.progress)
        return sum(array.nbytes for group in groups for array in group.values())


def write_directory(
    directory: Path,
    checkpoint: Checkpoint,
    *,
    sequence: int = 0,
    monitored: float | None = None,
    mode: Direction = "min",
    history: HistoryWriter | None = None,
) -> None:
    """Write every file of the checkpoint into the empty `directory` and fsync each, the manifest last.

    `history` is what has written the history of the run's checkpoint before.
    Raises CheckpointError where the disk is full or not writable.
    """
    try:
        _write_text(directory / CONFIG, checkpoint.config)
        _write_text(directory / PIPELINE, json.dumps(checkpoint.pipeline, indent=2) + "\n")
        model = {f"parameters/{name}": array for name, array in checkpoint.parameters.items()}
        model |= {f"statistics/{name}": array for name, array in checkpoint.statistics.items()}
        arrays: dict[str, Arrays] = {MODEL: model}
        arrays |= {OPTIMIZER: checkpoint.optimizer} if checkpoint.optimizer else {}
        arrays |= {PROGRESS: checkpoint.progress} if checkpoint.progress else {}
        for name, group in arrays.items():
            _write_arrays(directory / name, group)
            shutil.copymode(directory / CONFIG, directory / name)
        files = {name: FileRecord.of(directory / name) for name in (CONFIG, PIPELINE, *arrays)}
        if checkpoint.history:
            files[HISTORY] = (history or HistoryWriter()).write(directory, checkpoint.history)
        Manifest(
            **checkpoint.facts,
            dist_bp_version=installed(),
            created=datetime.now(UTC).isoformat(),
            sequence=sequence,
            monitored=monitored,
            mode=mode,
            files=files,
        ).write(directory)
        fsync_directory(directory)
    except OSError as error:
        raise cannot_write(directory, error) from None


def read_directory(directory: Path, *, for_resuming: bool = True, manifest: Manifest | None = None) -> Checkpoint:
    """Verify the files of `directory` and read them.

    `for_resuming=False` leaves out (and does not need) the optimizer's state and the progress.
    Raises CheckpointError, one line for each file that is missing, truncated or changed.
    """
    manifest = manifest or Manifest.read(directory)
    wanted = REQUIRED + tuple(name for name in FOR_RESUMING if for_resuming and name in manifest.files)
    if unlisted := [name for name in wanted if name not in manifest.files]:
        raise CheckpointError(f"{directory} is not a complete checkpoint: no {', '.join(unlisted)} in its manifest")
    manifest.verify(directory, wanted)
    arrays = {name: _read_arrays(directory / name) for name in wanted if name.endswith("tensors")}
    try:
        config = read_file(directory / CONFIG, TEXT_BYTES).decode()
        pipeline = checked(dict[str, Any], read_json(directory / PIPELINE))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{directory} cannot be read: {reason(error)}") from None
    history = read_history(directory, manifest.files[HISTORY]) if HISTORY in wanted else ()
    return Checkpoint(
        **manifest.facts,
        parameters=_group(arrays[MODEL], "parameters/"),
        statistics=_group(arrays[MODEL], "statistics/"),
        optimizer=arrays.get(OPTIMIZER, {}),
        progress=arrays.get(PROGRESS, {}),
        history=history,
        config=config,
        pipeline=pipeline,
    )


def copy_model(source: Path, directory: Path) -> None:
    """Copy what a prediction needs of the checkpoint `source`; raises FileNotFoundError where it was pruned."""
    directory.mkdir()
    for name in (MANIFEST, *REQUIRED):
        shutil.copy(source / name, directory / name)


def cannot_write(path: Path, error: OSError) -> CheckpointError:
    """What is wrong with the place, and what to do about it."""
    wrong, remedy = error.strerror or str(error), "free space there"
    if isinstance(error, FileExistsError | NotADirectoryError):
        in_the_way = next((one for one in (path, *path.parents) if os.path.lexists(one) and not one.is_dir()), path)
        wrong, remedy = f"{in_the_way} is no folder", "move it away"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        remedy = "let it be written"
    return CheckpointError(
        f"cannot write a checkpoint to {path}: {wrong}: "
        f"{remedy}, or set checkpoint.directory to a folder that can be written"
    )


def installed() -> str:
    try:
        return version("dist_bp")
    except PackageNotFoundError:
        return "unknown"


def _read_arrays(path: Path) -> Arrays:
    try:
        arrays: Arrays = load_file(path)
        return arrays
    except Exception as error:  # its SafetensorError, or what NumPy says to a strange type
        raise CheckpointError(f"{path} does not hold arrays: {one_line(error)}") from None


def _write_text(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _write_arrays(path: Path, arrays: Arrays) -> None:
    # safetensors takes the memory as it lies and would garble a transposed or sliced array.
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    try:
        save_file(contiguous, path)
    except Exception as error:  # its SafetensorError hides the OSError
        raise OSError(str(error)) from None
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _group(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
