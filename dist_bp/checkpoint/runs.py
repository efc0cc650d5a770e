"""The runs below one folder, and what `--resume auto|RUN|PATH` means."""

import glob
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dist_bp.checkpoint.format import CONFIG
from dist_bp.checkpoint.manifest import MANIFEST, Manifest
from dist_bp.checkpoint.store import CheckpointStore, Found, load
from dist_bp.errors import CheckpointError
from dist_bp.messages import did_you_mean, first_line

CHECKPOINTS = "checkpoints"
MODEL = "model"
SHOWN = 3
"""So many runs an error names."""


@dataclass(frozen=True)
class ResumableRun:
    """A run that has a checkpoint with a readable manifest; the facts are those of its newest one."""

    run_id: str
    path: Path
    job: str
    step: int
    created: str


def open_store(directory: Path) -> CheckpointStore:
    """The store in `directory` for reading: a run's folder or the folder of its checkpoints."""
    inner = directory / CHECKPOINTS
    directory = inner if inner.is_dir() else directory
    newest = CheckpointStore(directory).newest_manifest()
    return CheckpointStore(directory, mode="max" if newest and newest.mode == "max" else "min")


def name_run(root: Path, run_id: str, name: str) -> str | None:
    """Makes the run's folder below `root` known by its name, if it has one; returns the id of another that had it."""
    if name in ("", run_id) or Path(name).name != name or name.startswith("."):
        return None
    link, aside = root / name, root / f".{run_id}.name"
    before = _named(link)
    with suppress(OSError):
        if before is None:
            link.symlink_to(run_id)
        elif before != run_id:
            aside.unlink(missing_ok=True)
            aside.symlink_to(run_id)
            aside.replace(link)
            return before
    return None


def run_names(root: Path) -> frozenset[str]:
    """What is below `root`: names that are taken."""
    try:
        return frozenset(os.listdir(root))
    except OSError:
        return frozenset()


def forget_empty(root: Path, run_id: str) -> bool:
    """Removes the folder of a run that has left nothing in it, with its name; says whether it is gone."""
    folder = root / run_id
    with suppress(OSError):
        for path in (folder / CHECKPOINTS, folder):
            if path.is_dir():
                path.rmdir()
    if folder.exists():
        return False
    for path in root.glob("*"):
        if _named(path) == run_id:
            path.unlink(missing_ok=True)
    return True


def _named(path: Path) -> str | None:
    """The id of the run beside it that a path is a name of; None for all else, as the link to a run that was moved."""
    with suppress(OSError):
        target = path.readlink()
        return target.name if len(target.parts) == 1 else None
    return None


def _folders(root: Path) -> list[Path]:
    """The folders of checkpoints of the runs below `root`."""
    return [path for path in sorted(root.glob(f"*/{CHECKPOINTS}")) if not _named(path.parent)]


def find_runs(root: Path, job: str | None = None) -> list[ResumableRun]:
    """Runs below `root`, of the named job or of all, the newest first."""
    runs = []
    for path in _folders(root):
        if newest := CheckpointStore(path).newest_manifest():
            runs.append(ResumableRun(path.parent.name, path.parent, newest.job, newest.step, newest.created))
    return sorted((run for run in runs if job in (None, run.job)), key=lambda run: run.created, reverse=True)


def resolve(resume: str, root: Path, job: str) -> Found | None:
    """The checkpoint to go on from.

    `resume` is "auto" (the latest checkpoint of the newest run of this job below `root`; None where there
    is none), a run id below `root`, or a path to a checkpoint, a run or a folder of checkpoints. Raises
    CheckpointError where it names nothing or all that it names is damaged.
    """
    if resume == "auto":
        runs = find_runs(root, job)
        _check_none_is_hidden(root, job, runs)
        return open_store(runs[0].path).latest() if runs else None
    path = resolve_folder(resume, root)
    if (path / MANIFEST).is_file() or path.name.startswith("step-"):
        return Found(path, load(path))
    if found := open_store(path).latest():
        return found
    raise CheckpointError(f"{path} holds no checkpoint")


def is_past(found: Found, root: Path) -> bool:
    """Whether the checkpoint's run has gone on from there: it has newer ones, beside it or in its folder below `root`.

    Those that were passed over as damaged do not count.
    """
    mine = Manifest.read(found.path)
    beside = found.path.resolve().parent
    folders = {beside} if not found.passed_over else set()
    if mine.run_id:
        folders |= {(root / mine.run_id / CHECKPOINTS).resolve()} - {beside}
    others = [other for folder in folders for other in CheckpointStore(folder).manifests().values()]
    return any(other.run_id == mine.run_id and other.sequence > mine.sequence for other in others)


def _check_none_is_hidden(root: Path, job: str, runs: list[ResumableRun]) -> None:
    """Raises CheckpointError where a run of the job may be newer than all others, but no manifest of it can be read."""
    newest = datetime.fromisoformat(runs[0].created).timestamp() if runs else 0.0
    problems = []
    for folder in _folders(root):
        store = CheckpointStore(folder)
        paths = store.paths()
        if not paths or store.manifests() or max(path.stat().st_mtime for path in paths) < newest:
            continue
        if any(_may_be_of(path, job) for path in paths):
            problems.append(f"{folder.parent} may be newer than all other runs of {job}: {_why_unreadable(paths)}")
    if problems:
        remedy = "name a run with --resume RUN, move that folder away, or train without --resume"
        raise CheckpointError([*problems, remedy])


def _why_unreadable(checkpoints: list[Path]) -> str:
    """Why the newest of the checkpoints cannot be used, none of which has a manifest that can be read."""
    number = len(checkpoints)
    try:
        Manifest.read(max(checkpoints, key=lambda path: path.stat().st_mtime))
    except (CheckpointError, OSError) as error:
        return f"none of its {number} checkpoints can be used: {first_line(error)}"
    return f"its {number} checkpoints could not be read"


def _is_run(path: Path) -> bool:
    return (path / CHECKPOINTS).is_dir() or (path / MODEL).is_dir()


def _may_be_of(path: Path, job: str) -> bool:
    """Whether a checkpoint without a manifest may be of this job."""
    try:
        name = re.search(r"^name: *(.*?) *$", (path / CONFIG).read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, ValueError):
        return True
    return name is None or name[1].strip("'\"") == job


def resolve_folder(name: str, root: Path) -> Path:
    """The folder that a run below `root` (its id, the beginning of it, its name) or a path stands for.

    Raises CheckpointError with the likely spelling, or with those that the beginning of an id could mean.
    """
    for path in (root / name, Path(name)):
        if name and path.is_dir():
            run_id = _named(path) if path.parent == root else None
            return root / run_id if run_id else path
    beginnings = [] if not name or Path(name).is_absolute() else sorted(root.glob(f"{glob.escape(name)}*"))
    begun = [path for path in beginnings if not _named(path) and _is_run(path)]
    if len(begun) == 1:
        return begun[0]
    if begun:
        several = ", ".join(path.name for path in begun[:SHOWN])
        raise CheckpointError(f"{name!r} is more than one run: {several}: give more of the id")
    known = [name for name in run_names(root) if _is_run(root / name)]
    hint = did_you_mean(name, known)
    if not hint:
        newest = [run.run_id for run in find_runs(root)[:SHOWN]]
        hint = f": the newest there are {', '.join(newest)}" if newest else f": there are no runs in {root}"
    raise CheckpointError(f"{name or repr(name)} is neither a run in {root} nor a folder{hint}")
