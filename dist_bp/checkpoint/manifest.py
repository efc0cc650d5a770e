"""The manifest of a checkpoint directory: what belongs to it, and the digests that prove it intact."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

from dist_bp.errors import CheckpointError
from dist_bp.files import open_file
from dist_bp.foreign import FileName, Sha256, checked, read_json, reason
from dist_bp.options import Ge, Lt
from dist_bp.types import Direction, DType

Count = Annotated[int, Ge(0), Lt(2**62)]

MANIFEST = "manifest.json"
HISTORY = "history.jsonl"
"""A file that grows: its record is that of its beginning, what the checkpoint saw of it."""

FORMAT = "dist_bp checkpoint"
VERSION = 2


@dataclass(frozen=True)
class FileRecord:
    """Size in bytes and SHA-256 of one file, or of the beginning of a growing one."""

    size: Count
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "FileRecord":
        with open_file(path) as file:
            return cls(os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest())

    @classmethod
    def of_beginning(cls, path: Path, size: int) -> "FileRecord":
        """Of the first `size` bytes, or of all where there are fewer."""
        with open_file(path) as file:
            content = file.read(size)
        return cls(len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, eq=False, kw_only=True)
class Facts:
    """What a checkpoint holds that fits on a page: all of it that is in the manifest, and in no other file.

    `epoch` epochs are complete and `step_in_epoch` updates of the next one, all of them where it is not measured yet.
    `loop_state` is a JSON-able dict of whatever the loop wants back, `data_digest` that of the prepared data.
    """

    step: Count
    dtype: DType
    data_digest: Sha256
    epoch: Count = 0
    step_in_epoch: Count = 0
    loop_state: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    job: FileName = ""
    run_id: FileName = ""

    @property
    def facts(self) -> dict[str, Any]:
        """By name: from them another one is made."""
        return {item.name: getattr(self, item.name) for item in fields(Facts)}


@dataclass(frozen=True, kw_only=True)
class Manifest(Facts):
    """The facts of a checkpoint, and of the files that it is in.

    `sequence` counts the checkpoints of a run in the order in which they were written; `monitored` is the
    value by which the best one is chosen and `mode` says whether less ("min") or more ("max") is better.
    """

    dist_bp_version: str
    created: str
    sequence: Count = 0
    monitored: float | None = None
    mode: Direction = "min"
    files: dict[str, FileRecord] = field(default_factory=dict)

    def write(self, directory: Path) -> None:
        """Write and fsync the manifest; it carries a digest of itself."""
        # Through JSON once, so that the digest is that of what a reader gets (keys as text, tuples as lists).
        content = json.loads(json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}))
        text = json.dumps({**content, "digest": _digest(content)}, indent=2)
        with (directory / MANIFEST).open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, directory: Path) -> "Manifest":
        """Raises CheckpointError for a manifest that is missing, damaged or of another format."""
        path = directory / MANIFEST
        try:
            content = read_json(path)
        except FileNotFoundError:
            raise CheckpointError(f"{directory} is not a complete checkpoint: {MANIFEST} is missing") from None
        except (OSError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged or unreadable: {reason(error)}") from None
        if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
            raise CheckpointError(f"{path} is damaged or does not belong to a checkpoint of dist_bp")
        if (version := content.pop("version", None)) != VERSION:
            raise CheckpointError(
                f"{path} has format version {version!r}, this dist_bp reads version {VERSION}: "
                "use the dist_bp that wrote it"
            )
        digest = content.pop("digest", None)
        if digest != _digest({"format": FORMAT, "version": VERSION, **content}):
            raise CheckpointError(f"{path} is damaged: its content does not match its own digest")
        content.pop("model_digest", None)  # which manifests had that were written before the layers were compared
        if unknown := content.keys() ^ {item.name for item in fields(cls)}:
            raise CheckpointError(f"{path} lacks or adds the keys {', '.join(sorted(unknown))}")
        try:
            made: Manifest = checked(cls, content)
        except ValueError as error:
            raise CheckpointError(f"{path} does not hold what a manifest does: {error}") from None
        return made

    def verify(self, directory: Path, names: Iterable[str]) -> None:
        """Compare the files `names` with their records; raises CheckpointError, a line for each wrong."""
        problems = []
        for name in names:
            path, record = directory / name, self.files[name]
            try:
                size, grows = path.stat().st_size, name == HISTORY
                if size < record.size:
                    problems.append(f"{path} is truncated: {size} bytes instead of {record.size}")
                elif size > record.size and not grows:
                    problems.append(f"{path} is damaged: {size} bytes instead of {record.size}")
                elif (FileRecord.of_beginning(path, record.size) if grows else FileRecord.of(path)) != record:
                    problems.append(f"{path} is damaged: its SHA-256 does not match the manifest")
            except FileNotFoundError:
                problems.append(f"{path} is missing")
            except OSError as error:
                problems.append(f"{path} cannot be read: {error.strerror}")
        if problems:
            raise CheckpointError(problems)


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
