"""What is remembered of the local head, in the user's state folder."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from dist_bp.errors import DistBpError, SubmitError
from dist_bp.processes import Known

HEAD = "head.json"
TOKEN = "token"
REMEDY = "set XDG_STATE_HOME to a folder that can be written"


@dataclass(frozen=True)
class Head:
    """The head that `dist-bp cluster up` started: everything of it is below `folder`.

    `processes` are those that Ray started first, by id, with their start times in clock ticks since boot.
    """

    address: str
    ray_address: str
    folder: Path
    token_path: Path
    python: str
    num_cpus: int
    processes: Known = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"folder": str(self.folder), "token_path": str(self.token_path)}


def state_folder() -> Path:
    """Where the local head is remembered; not made. Raises SubmitError where there is no place for it."""
    try:
        base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    except RuntimeError as error:
        raise SubmitError(f"this user has no home: {REMEDY}") from error
    return Path(base) / "dist_bp" / "cluster"


def read_head() -> Head | None:
    """The local head, None where there is none. Raises DistBpError where its record cannot be read."""
    path = state_folder() / HEAD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        processes = {int(pid): started for pid, started in content.pop("processes").items()}
        folder, token_path = Path(content.pop("folder")), Path(content.pop("token_path"))
        return Head(folder=folder, token_path=token_path, processes=processes, **content)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DistBpError(f"{path} cannot be read ({error}): remove it") from error


def write_head(head: Head) -> None:
    path = state_folder() / HEAD
    aside = path.with_suffix(".new")
    aside.write_text(json.dumps(head.as_dict(), indent=1), encoding="utf-8")
    aside.replace(path)


def stop_mark(session: str, job: str) -> Path:
    """The file that stands while a job of a cluster's session has been asked to stop and has not ended."""
    return _stopping() / f"{session}-{job}"


def forget_stops(session: str) -> None:
    """Removes the marks of all jobs of a cluster's session that is over."""
    for mark in _stopping().glob(f"{session}-*"):
        mark.unlink(missing_ok=True)


@contextmanager
def locked() -> Iterator[Path]:
    """The state folder, held by one process at a time. Raises SubmitError where it cannot be made."""
    folder = state_folder()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise SubmitError(f"{folder} cannot be written ({error.strerror}): {REMEDY}") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DistBpError("another `dist-bp cluster` command is at work: try again when it is done") from error
        yield folder
    finally:
        os.close(descriptor)


def _stopping() -> Path:
    return state_folder().parent / "stopping"
