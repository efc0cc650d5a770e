"""What was measured after each epoch: a file of JSON lines that grows, so that late checkpoints cost no more."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dist_bp.checkpoint.manifest import HISTORY, FileRecord
from dist_bp.errors import CheckpointError
from dist_bp.files import open_file
from dist_bp.foreign import checked, reason

Row = Mapping[str, float]


@dataclass
class HistoryWriter:
    """Writes the rows of one checkpoint after the other; each gets the same file under a name of its own.

    Its record tells how much of it the checkpoint saw. A process begins a file of its own with its first checkpoint,
    and so never changes what those of an earlier one saw.
    """

    _path: Path | None = None
    _rows: Sequence[Row] = ()
    _size: int = 0
    _digest: Any = field(default_factory=hashlib.sha256)

    def write(self, directory: Path, rows: Sequence[Row]) -> FileRecord:
        """Put a file that begins with `rows` into `directory`, on the disk; raises OSError."""
        path = directory / HISTORY
        if not self._continued_by(rows) or not self._linked(path):
            self._path, self._rows, self._size, self._digest = None, (), 0, hashlib.sha256()
        new = b"".join(json.dumps(row).encode() + b"\n" for row in rows[len(self._rows) :])
        with path.open("r+b" if self._path else "xb") as file:
            file.seek(self._size)  # behind it may be what a failed attempt has left
            file.write(new)
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        self._digest.update(new)
        self._path, self._rows, self._size = path, rows, self._size + len(new)
        return FileRecord(self._size, self._digest.hexdigest())

    def moved(self, directory: Path) -> None:
        """The last file is in `directory` now."""
        self._path = directory / HISTORY

    def _continued_by(self, rows: Sequence[Row]) -> bool:
        return self._path is not None and list(rows[: len(self._rows)]) == list(self._rows)

    def _linked(self, path: Path) -> bool:
        """Gives the file one more name, or copies it where the file system has no such; False where it is gone."""
        assert self._path is not None
        try:
            os.link(self._path, path)
        except FileNotFoundError:
            return False
        except OSError:
            shutil.copyfile(self._path, path)
        return True


def read_history(directory: Path, record: FileRecord) -> tuple[dict[str, float], ...]:
    """The rows that the checkpoint in `directory` saw; what was appended later, perhaps in part, is left out.

    Raises CheckpointError.
    """
    path = directory / HISTORY
    try:
        with open_file(path) as file:
            content = file.read(record.size)
        return tuple(checked(dict[str, float], json.loads(line)) for line in content.splitlines())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {reason(error)}") from None
    except RecursionError:
        raise CheckpointError(f"{path} cannot be read: nested too deeply") from None
