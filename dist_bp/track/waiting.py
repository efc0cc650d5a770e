"""What runs have told that their store has not taken yet: kept in files until a later command delivers it.

Beside the spool of a run's points lies a file that says which run of which store they belong to, and what else is to be
recorded there; it is there from the start of a run to the end of its delivery, whatever happens to the process. Both
are with the checkpoints: whoever goes on from one finds them, in another folder or container, too. Commands where the
run began find them by a link.
"""

import json
import os
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from dist_bp.files import fsync_directory
from dist_bp.foreign import checked, read_json
from dist_bp.messages import without_password
from dist_bp.track.driver import is_elsewhere, is_gone
from dist_bp.track.spool import Spool
from dist_bp.track.store import locked, resolve_uri

SPOOLS = Path(".dist_bp/journal")
"""Where commands look for what waits: links to it, or the files themselves, of earlier versions."""
JOURNAL = ".journal"
"""The folder of what waits, in that of all runs' checkpoints."""


@dataclass
class Waiting:
    """A run and what waits for its store; `store` is the resolved URI without a password, `ended` in milliseconds.

    `tags`, and `texts` by the names of their artifacts, are those that were told and not recorded. `status` is empty
    while `driver`, its process, goes on with it. `listed` is the folder in which commands look for it.
    """

    folder: Path
    listed: Path = field(compare=False)
    run_id: str
    store: str
    experiment: str
    name: str
    driver: str
    params: dict[str, str]
    all_tags: dict[str, str]
    config_text: str
    tags: dict[str, str] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    status: str = ""
    ended: int | None = None

    @property
    def spool(self) -> Spool:
        return Spool(self._points)

    @property
    def _points(self) -> Path:
        return self.folder / f"{self.run_id}.jsonl"

    @property
    def path(self) -> Path:
        return self.folder / f"{self.run_id}.json"

    @property
    def _link(self) -> Path:
        return self.listed / self.path.name

    @property
    def due(self) -> bool:
        """Whether nobody else is going to deliver it."""
        return bool(self.status) or is_gone(self.driver)

    @property
    def elsewhere(self) -> bool:
        """Whether a process of another host had the run last, which may go on with it: who knows can tell alone."""
        return not self.status and is_elsewhere(self.driver)

    def save(self) -> None:
        """Durably. Raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        content = {key: value for key, value in asdict(self).items() if key not in ("folder", "listed")}
        aside = self.path.with_suffix(".new")
        with aside.open("w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, self.path)
        fsync_directory(self.folder)
        if not self._link.exists():
            self.listed.mkdir(parents=True, exist_ok=True)
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(os.path.relpath(self.path.resolve(), self.listed.resolve()))

    def done(self) -> None:
        """Nothing waits any more. Raises OSError."""
        for path in (self.path, self._points, self._link):
            path.unlink(missing_ok=True)


def read_waiting(folder: Path, run_id: str) -> Waiting | None:
    """What is kept of a run; None where there is nothing, or its file is damaged."""
    path = folder / f"{run_id}.json"
    with suppress(OSError, ValueError):
        content = read_json(path)
        if isinstance(content, dict):
            found: Waiting = checked(Waiting, {**content, "folder": str(path.resolve().parent), "listed": str(folder)})
            _ = found.due  # raises ValueError where the driver is not one
            return found if found.run_id == run_id else None
    return None


@contextmanager
def taken(folder: Path, run_id: str) -> Iterator[Waiting | None]:
    """What is kept of a run, which no other process delivers, or goes on with, in the meantime.

    Raises TrackingError where one takes too long.
    """
    with ExitStack() as held:
        with suppress(FileNotFoundError):
            held.enter_context(locked(folder / f"{run_id}.json", f"delivering what run {run_id} has left"))
        yield read_waiting(folder, run_id)


def waiting_runs(folder: Path, tracking_uri: str | None = None, own: Collection[str] = ()) -> Iterator[Waiting]:
    """The runs of a store, or of all, whose points or ends nobody else delivers; damaged files are skipped.

    Those `elsewhere` belong to them where `own` has their id.
    """
    for found in _known(folder, tracking_uri):
        if found.due or (found.elsewhere and found.run_id in own):
            yield found


def runs_elsewhere(folder: Path, tracking_uri: str | None = None) -> list[Waiting]:
    """The runs of a store, or of all, that processes of other hosts had last."""
    return [found for found in _known(folder, tracking_uri) if found.elsewhere]


def _known(folder: Path, tracking_uri: str | None) -> Iterator[Waiting]:
    store = without_password(resolve_uri(tracking_uri)) if tracking_uri else None
    for path in sorted(folder.glob("*.json")):
        if path.is_symlink() and not path.exists():  # somebody else has delivered it
            path.unlink(missing_ok=True)
        found = read_waiting(folder, path.stem)
        if found and store in (None, found.store):
            yield found
