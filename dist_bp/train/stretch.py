"""Which steps of a run are trained again: what its checkpoints leave to choose from."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from dist_bp.checkpoint import open_store, resolve_folder
from dist_bp.checkpoint.manifest import MANIFEST, Manifest
from dist_bp.checkpoint.store import instead_of
from dist_bp.errors import CheckpointError, UserError
from dist_bp.messages import plural

NAME = re.compile(r"step-0*(\d+)(-\d+)?")


@dataclass(frozen=True)
class Leg:
    """The steps start + 1 ... stop. `before` is the checkpoint that they go on from, None where that is the
    initialisation. `witness` is the checkpoint that tells of them, that of `stop` where it is kept, else a later one.
    """

    start: int
    stop: int
    before: Path | None
    witness: Path
    at_end: bool

    def __str__(self) -> str:
        return f"steps {self.start + 1} to {self.stop}"


def legs_of(run: str, root: Path, first: int | None, count: int | None) -> list[Leg]:
    """From checkpoint to checkpoint the steps after `first`, so many of them.

    `run` is a run below `root`, or a path to one, or to the checkpoint at which the steps end. By default they are
    those between the two newest checkpoints, or between the initialisation and the only one. Raises CheckpointError
    where the run has none or one that cannot be read, UserError where those that are asked for are not kept.
    """
    kept, newest = _kept(run, root)
    last = newest
    if first is None:
        first = max((step for step in kept if step < newest), default=0)
    elif first and first not in kept:
        raise UserError(f"--from {first}: no checkpoint of that step is kept: {_choices(kept)}")
    if count is not None:
        last = first + count
    if first >= newest:
        raise UserError(f"--from {first}: no later checkpoint tells of the steps after it: {_choices(kept)}")
    if last > newest:
        raise UserError(f"--steps {count}: after step {first} the checkpoints tell of {plural(newest - first, 'step')}")
    ends = [first, *(step for step in sorted(kept) if first < step < last), last]
    return [_leg(start, stop, kept) for start, stop in pairwise(ends)]


def _leg(start: int, stop: int, kept: Mapping[int, Path]) -> Leg:
    witness = min(step for step in kept if step >= stop)
    return Leg(start, stop, kept[start] if start else None, kept[witness], witness == stop)


def _kept(run: str, root: Path) -> tuple[dict[int, Path], int]:
    """The checkpoints of a run by step, and the step at which the steps end. Raises CheckpointError where there is none
    there, or one that may be meant has no manifest that can be read: any, or that which is named."""
    last = _step(Path(run))
    folder = resolve_folder(run if last is None else str(Path(run).parent), root)
    if (folder / MANIFEST).is_file():
        raise CheckpointError(f"{run} is a saved model: name its run, or a checkpoint of it")
    manifests = {}
    for path in open_store(folder).paths():
        try:
            manifests[path] = Manifest.read(path)
        except CheckpointError as error:
            if last in (None, _step(path)):
                raise CheckpointError([*error.problems, *instead_of(path)]) from None
    kept = {one.step: path for path, one in sorted(manifests.items(), key=lambda item: item[1].sequence) if one.step}
    if not kept:
        raise CheckpointError(f"{folder} holds no checkpoint: there is nothing to compare with")
    newest = max(kept) if last is None else last
    if newest not in kept:
        raise CheckpointError(f"{run}: no checkpoint of step {newest} is kept: {_choices(kept)}")
    return kept, newest


def _step(path: Path) -> int | None:
    """That of a checkpoint, by the name of its folder; None for the name of anything else."""
    named = NAME.fullmatch(path.name)
    return int(named[1]) if named else None


def _choices(kept: Mapping[int, Path]) -> str:
    return f"there are those of {', '.join(map(str, (0, *sorted(kept))))}"
