"""Where a run begins: with nothing, or with a checkpoint, in the run of that or in a new one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dist_bp.checkpoint import Found, forget_empty, is_past, resolve
from dist_bp.checkpoint.format import CONFIG
from dist_bp.config import stored_config
from dist_bp.ps.arena import Snapshot
from dist_bp.track.waiting import SPOOLS, read_waiting
from dist_bp.train.faults import lowered
from dist_bp.train.observer import Observer
from dist_bp.train.setup import PreparedJob
from dist_bp.train.state import RunState


@dataclass(frozen=True)
class Start:
    """`state` knows the run to record in, if it is not a new one; `snapshot` is the version to begin with and `newest`
    the checkpoint that it is of, both None where the run begins with nothing.

    `forget` is asked of earlier starts of the job, see `TrackingSettings`.
    """

    state: RunState
    snapshot: Snapshot | None = None
    newest: Path | None = None
    forget: Callable[[str], bool] | None = None


def find_start(job: PreparedJob, resume: str | None, run_id: str | None, observer: Observer) -> Start:
    """See `run_job`; tells what is not as it was. Raises CheckpointError as `find_checkpoint`."""
    begun = find_checkpoint(job, resume)
    if begun is None:
        start = Start(RunState(job))
        start.state.run_id = run_id or ""
    else:
        found, state, snapshot = begun
        _go_on(found, state, run_id, observer)
        start = Start(state, snapshot, found.path)
    if resume == "auto" and not start.state.run_id:  # killed starts of this job, which left nothing to go on from
        return replace(start, forget=partial(_forget, job.config.checkpoint.directory))
    return start


def find_checkpoint(job: PreparedJob, resume: str | None) -> tuple[Found, RunState, Snapshot] | None:
    """The checkpoint to go on from, and what is in it; None where there is none.

    Raises CheckpointError where it is damaged or of another job.
    """
    if resume is None:
        return None
    found = resolve(resume, Path(job.config.checkpoint.directory), job.config.name)
    return (found, *RunState.restored(job, found.checkpoint)) if found else None


def _go_on(found: Found, state: RunState, run_id: str | None, observer: Observer) -> None:
    """Gives the state the run to record in, and its course from here on."""
    for line in found.passed_over:
        observer.warn(line)
    observer.note(f"going on from {found.path}")
    config, before = state.job.config, state.course
    state.course = before.resumed(state.step, stored_config(found.checkpoint.config, found.path / CONFIG), config)
    changes = state.course.changes[len(before.changes) :]
    for change in changes:
        observer.note(f"{change.key} is {change.before} in the checkpoint, {change.now} from here on")
    if (factor := lowered(state.recoveries)) < 1:
        observer.note(f"the learning rate is {factor:g} times that of the configuration: the run was rolled back")
    if run_id or not state.run_id:
        state.run_id = run_id or ""
        return
    diverges = found.passed_over and not all(change.harmless for change in changes)
    if diverges or is_past(found, Path(config.checkpoint.directory)):
        observer.note(f"that run has gone on from there: a new run begins with its step {state.step}")
        state.course = replace(state.course, origin=f"{state.run_id}, step {state.step}")
        state.run_id = ""


def _forget(directory: str, run_id: str) -> bool:
    """Removes what is left of a run that began in this folder and left nothing; says whether it did, and is gone.

    Others that share the store may keep the checkpoints of their runs elsewhere.
    """
    known = read_waiting(SPOOLS, run_id)
    begun_here = known is not None and known.params.get("checkpoint.directory") == directory
    return (begun_here or Path(directory, run_id).is_dir()) and forget_empty(Path(directory), run_id)
