"""The checkpoints of one run: written aside and renamed, pruned, found again."""

import os
import re
import shutil
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path

from dist_bp.checkpoint.format import (
    Checkpoint,
    cannot_write,
    read_directory,
    write_directory,
)
from dist_bp.checkpoint.history import HistoryWriter
from dist_bp.checkpoint.manifest import Manifest
from dist_bp.errors import CheckpointError
from dist_bp.files import fsync_directory
from dist_bp.types import Direction

_NAME = re.compile(r"step-\d{9,}(-\d+)?")
_ASIDE = ".aside-"


@dataclass(frozen=True)
class Found:
    """An intact checkpoint; `passed_over` says what is wrong with the damaged ones that came before it."""

    path: Path
    checkpoint: Checkpoint
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckpointStore:
    """The folder `<run>/checkpoints` with one directory per checkpoint.

    A checkpoint appears under its name complete or not at all. The newest one (last written) is always kept,
    and the `keep` best of the others by the monitored value; those without a value come after those with one,
    newest first. A directory whose manifest cannot be read is not counted, and left alone unless a newer
    checkpoint of the same step supersedes it. One process writes, any number read.
    """

    directory: Path
    keep: int = 3
    mode: Direction = "min"
    _history: HistoryWriter = field(default_factory=HistoryWriter, init=False, repr=False, compare=False)

    def save(self, checkpoint: Checkpoint, monitored: float | None = None) -> Path:
        """Write the checkpoint, make it durable, prune; returns its directory.

        Where the step was saved before, the new directory gets a number behind its name, and replaces the old
        one. Raises CheckpointError; what was there before is then untouched.
        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self._remove_left_overs()
            path = self._free_path(checkpoint.step)
            aside = self.directory / f"{_ASIDE}{path.name}"
            aside.mkdir()
        except OSError as error:
            raise cannot_write(self.directory, error) from None
        known = self.manifests()
        sequence = 1 + max((manifest.sequence for manifest in known.values()), default=0)
        try:
            write_directory(
                aside, checkpoint, sequence=sequence, monitored=monitored, mode=self.mode, history=self._history
            )
            aside.rename(path)
            self._history.moved(path)
            fsync_directory(self.directory)
            self._prune(known, path, checkpoint.step)
        except OSError as error:
            raise cannot_write(path, error) from None
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return path

    def latest(self) -> Found | None:
        """The newest intact checkpoint; None where there is none at all.

        Raises CheckpointError where there are checkpoints and every one is damaged.
        """
        return self._first_intact(best=False)

    def best(self) -> Found | None:
        """The intact checkpoint with the best monitored value (the earliest of equals); else as `latest`."""
        return self._first_intact(best=True)

    def load(self, path: Path) -> Checkpoint:
        """Read one checkpoint of this store, see `load` below."""
        return load(path)

    def check_writable(self, bytes_needed: int) -> None:
        """Raises CheckpointError if the folder cannot be written or has less than `bytes_needed` free."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            probe = self.directory / f"{_ASIDE}probe-{os.getpid()}"
            probe.write_bytes(b"\0")
            probe.unlink()
            free = shutil.disk_usage(self.directory).free
        except OSError as error:
            raise cannot_write(self.directory, error) from None
        if free < bytes_needed:
            raise CheckpointError(
                f"{self.directory} has {free / 1e6:.1f} MB free, the checkpoints need "
                f"{bytes_needed / 1e6:.1f} MB: free space there, or set checkpoint.directory to another disk"
            )

    def paths(self) -> list[Path]:
        """Directories of all checkpoints, intact or not, by name."""
        try:
            return sorted(path for path in self.directory.iterdir() if _NAME.fullmatch(path.name))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def newest_manifest(self) -> Manifest | None:
        """Manifest of the checkpoint written last, its files not verified."""
        return max(self.manifests().values(), key=lambda manifest: manifest.sequence, default=None)

    def manifests(self) -> dict[Path, Manifest]:
        """Manifests of all checkpoints that have a readable one, by directory."""
        manifests = {}
        for path in self.paths():
            try:
                manifests[path] = Manifest.read(path)
            except CheckpointError:
                continue
        return manifests

    def _ranked(self, manifests: dict[Path, Manifest], best: bool) -> list[Path]:
        def rank(path: Path) -> tuple[int, float, int]:
            manifest = manifests[path]
            if best and manifest.monitored is not None and isfinite(manifest.monitored):
                return (
                    0,
                    manifest.monitored if self.mode == "min" else -manifest.monitored,
                    manifest.sequence,
                )
            return (1, 0.0, -manifest.sequence)

        return sorted(manifests, key=rank)

    def _first_intact(self, best: bool) -> Found | None:
        while paths := self.paths():
            manifests = self.manifests()
            # A manifest that cannot be read hides its rank: such a checkpoint might have come first.
            unreadable = [path for path in reversed(paths) if path not in manifests]
            problems: list[str] = []
            for path in unreadable + self._ranked(manifests, best):
                try:
                    return Found(path, read_directory(path), tuple(problems))
                except CheckpointError as error:
                    if not path.exists():  # pruned meanwhile: there is a newer one
                        break
                    problems += error.problems
            else:
                raise CheckpointError([*problems, f"no checkpoint in {self.directory} is intact"])
        return None

    def _free_path(self, step: int) -> Path:
        revision = max((_revision(path) for path in self._same_step(step)), default=-1) + 1
        return self.directory / (f"step-{step:09d}-{revision}" if revision else f"step-{step:09d}")

    def _same_step(self, step: int) -> list[Path]:
        return [path for path in self.paths() if path.name.split("-")[1] == f"{step:09d}"]

    def _prune(self, known: dict[Path, Manifest], newest: Path, step: int) -> None:
        superseded = [path for path in self._same_step(step) if path != newest]
        others = {path: manifest for path, manifest in known.items() if path not in superseded}
        for path in superseded + self._ranked(others, best=True)[self.keep :]:
            # Renamed first: a reader must find a checkpoint whole or not at all.
            shutil.rmtree(path.rename(self.directory / f"{_ASIDE}{path.name}"))

    def _remove_left_overs(self) -> None:
        for path in self.directory.glob(f"{_ASIDE}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def load(path: Path, *, for_resuming: bool = True) -> Checkpoint:
    """Verify and read the checkpoint directory `path`.

    `for_resuming=False` leaves out (and does not need) optimizer state and progress. Raises CheckpointError
    with a line for each file that is missing, truncated or changed, and one that names an intact checkpoint
    beside it.
    """
    if not path.is_dir():
        raise CheckpointError(f"there is no checkpoint at {path}")
    try:
        return read_directory(path, for_resuming=for_resuming)
    except CheckpointError as error:
        raise CheckpointError([*error.problems, *instead_of(path)]) from None


def export_model(directory: Path, checkpoint: Checkpoint) -> Path:
    """Write what a prediction needs of the checkpoint as `directory`, in place of what was there.

    Raises CheckpointError where it cannot be written.
    """
    aside, old = (directory.with_name(f"{_ASIDE}{kind}{directory.name}") for kind in ("", "old-"))
    try:
        directory.parent.mkdir(parents=True, exist_ok=True)
        for left_over in (aside, old):
            shutil.rmtree(left_over, ignore_errors=True)
        aside.mkdir()
        write_directory(aside, replace(checkpoint, optimizer={}, progress={}, loop_state={}, history=()))
        if directory.exists():
            directory.rename(old)
        aside.rename(directory)
        fsync_directory(directory.parent)
    except OSError as error:
        raise cannot_write(directory, error) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)
    return directory


def instead_of(damaged: Path) -> list[str]:
    """A line that names the newest intact checkpoint beside a damaged one, if there is one."""
    try:
        found = CheckpointStore(damaged.absolute().parent).latest()
    except CheckpointError:
        found = None
    return [f"intact is {damaged.parent / found.path.name}: use that one instead"] if found else []


def _revision(path: Path) -> int:
    return int([*path.name.split("-"), "0"][2])
