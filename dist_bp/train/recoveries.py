"""What is told of faults: where a NaN came up, what a run has recovered from, why one ends it."""

from collections.abc import Sequence

from dist_bp.messages import plural
from dist_bp.ps.doorbell import ABSENT, SILENT, PeerLost
from dist_bp.ps.lease import NonFinite
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.failures import ProcessDied, lost_worker
from dist_bp.track.names import RECOVERY
from dist_bp.track.port import Tracker
from dist_bp.train.faults import LOSSES, Fault, Recovery, Stop
from dist_bp.train.state import RunState

RECOVERED = "dist_bp.recovered_at_step_"
"""The tag that says what a run has recovered from, and how; the step follows."""

SHOWN = 5
"""So many recoveries a line names."""

REMEDIES = {
    ABSENT: "Raise ray.start_seconds where processes take longer to start, or see that others leave them the CPUs that "
    "scaling asks for",
    SILENT: "Raise parameter_server.timeout_seconds, and failure.hang_seconds if it is set, where a step takes longer",
}
REMEDY = "Raise failure.max_failures where processes are killed by others, such as a system short of memory"
"""What to do about processes that are lost, by what is said of them, and where they have died."""


def non_finite_fault(runtime: Runtime, found: NonFinite) -> Fault:
    """Where a loss or gradient that is NaN or infinite came up."""
    gradients = runtime.non_finite_gradients()
    worker = found.worker if found.worker is not None else next(iter(gradients), None)
    what = "loss" if found.worker is not None else "gradient"
    parameter = None if worker is None else gradients.get(worker)
    return Fault("non_finite", found.step + 1, f"the {what} is NaN or infinite", worker, parameter)


def broken(error: ProcessDied | PeerLost, step: int) -> Fault:
    """What has become of a process, after so many steps, without which the others cannot go on."""
    return Fault("broken", step + 1, str(error), lost_worker(error))


def failure(fault: Fault, stop: Stop, recoveries: Sequence[Recovery]) -> str:
    """Why a run ends at a fault, with what it has recovered from before."""
    before = f"before that {history(recoveries)}" if recoveries else ""
    applied = "" if fault.kind in LOSSES else "that update was not applied"
    return "; ".join(filter(None, [str(fault), applied, stop.why, before]))


def advice(fault: Fault, stop: Stop) -> str:
    """What to do about a fault that has ended a run."""
    if fault.kind in LOSSES:
        return next((remedy for cause, remedy in REMEDIES.items() if cause in fault.what), REMEDY)
    policy = "" if stop.why else ", or set failure.non_finite to skip or rollback"
    return f"Lower train.optimizer.learning_rate or set train.clip_norm{policy}"


def joined(worker: int, seconds: float | None) -> str:
    """A line on a worker that works from now on, so many seconds after one of its rank was lost, if one was."""
    return f"worker {worker} works, too" if seconds is None else f"worker {worker} works again after {seconds:.1f} s"


def history(recoveries: Sequence[Recovery]) -> str:
    """What happened when, and what was done about it, in a line; of many the last ones."""
    earlier = len(recoveries) - SHOWN
    return "; ".join([*([plural(earlier, "other")] if earlier > 0 else []), *map(_short, recoveries[-SHOWN:])])


def _short(recovery: Recovery) -> str:
    fault, worker = recovery.fault, recovery.fault.worker
    if recovery.remedy == "replace":
        return f"step {fault.step}: worker {worker} lost, {fault.what}"
    if recovery.remedy == "restart":
        return f"step {fault.step}: {fault.what}{f', back to step {recovery.after}' if recovery.redone else ''}"
    done = "skipped" if recovery.remedy == "skip" else f"back to step {recovery.after}"
    where = f" on worker {worker}" if worker is not None else ""
    return f"step {fault.step}: {fault.what}{where}, {done}"


def begun(fault: Fault) -> str:
    """A line on processes that are lost, and others that are to be formed."""
    return f"{fault}: forming the processes anew"


def told(recovery: Recovery) -> str:
    """A line on a recovery that has just happened."""
    return f"{recovery} ({recovery.seconds:.2f} s)"


def waiting(lacking: str) -> str:
    """A line on a run that waits for room for its processes, which were lost."""
    return f"waiting for room for the processes: {lacking}"


def record_before_training(state: RunState, known: int, tracker: Tracker) -> None:
    """Records what a run has recovered from before it trains. The first `known` ones came before a checkpoint, and so
    are recorded already unless the tracker knows of no step."""
    for number in range(known if tracker.told_until >= 0 else 0, len(state.recoveries)):
        record(state.recoveries[: number + 1], tracker)


def record(so_far: Sequence[Recovery], tracker: Tracker) -> None:
    """Tells the tracker of the last one."""
    last = so_far[-1]
    values = {f"{RECOVERY}seconds": last.seconds, f"{RECOVERY}redone_steps": float(last.redone)}
    tracker.log(last.fault.step, values)
    tracker.log_tags(_tags(so_far))


def _tags(recoveries: Sequence[Recovery]) -> dict[str, str]:
    """Of the last one, by a name of its own: with a number where it is not the first of its kind at a step."""
    *before, name = map(_tag, recoveries)
    number = before.count(name) + 1
    return {f"{name}_{number}" if number > 1 else name: told(recoveries[-1])}


def _tag(recovery: Recovery) -> str:
    fault = recovery.fault
    whose = {"lost": f"_worker_{fault.worker}", "broken": "_restart"}.get(fault.kind, "")
    return f"{RECOVERED}{fault.step}{whose}"
