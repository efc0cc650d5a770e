"""What follows from where a run stands: how far the next lease goes, whether a checkpoint is due, why training ends."""

from dist_bp.ps.layout import LEASE_STEPS
from dist_bp.train.outcome import MAX_SECONDS
from dist_bp.train.state import RunState

LEASE_SECONDS = 1.0
WHILE_AWAITING_SECONDS = 0.25
"""A worker that takes the place of one that was lost joins between two leases."""


def lease_end(state: RunState, step_seconds: float | None, awaiting: bool = False) -> int:
    """About a second's worth of steps on, or less while `awaiting` a worker, but never past a step at which something
    else is to be done. What makes one update is never cut.

    `step_seconds` are those of a step, None before the first one.
    """
    job, step = state.job, state.step
    seconds = WHILE_AWAITING_SECONDS if awaiting else LEASE_SECONDS
    wanted = 1 if step_seconds is None else max(int(seconds / step_seconds), 1)
    round_length = job.layout.mode.steps
    ends = [
        _next_multiple(step + wanted - 1, round_length),
        _next_multiple(step, job.steps_per_epoch),
        job.total_steps,
        step + LEASE_STEPS // round_length * round_length,
    ]
    if every := job.config.checkpoint.every_steps:
        ends.append(_next_multiple(_next_multiple(step, every) - 1, round_length))
    limit = job.config.train.stop.max_seconds
    if limit and step_seconds:
        left = max(int((limit - state.seconds) / step_seconds), 1)
        ends.append(_next_multiple(step + left - 1, round_length))
    return min(ends)


def round_end(state: RunState, last: int) -> int:
    """Where what makes one update ends that begins here, within a lease to `last`."""
    return min(_next_multiple(state.step, state.job.layout.mode.steps), last)


def checkpoint_due(state: RunState) -> bool:
    """Whether the configuration wants one of this step, which has ended what makes one update."""
    job, last, settings = state.job, state.step - 1, state.job.config.checkpoint
    before = max(last // length * length for length in (job.layout.mode.steps, job.steps_per_epoch))
    if settings.every_steps and state.step // settings.every_steps > before // settings.every_steps:
        return True
    return state.epoch_over and bool(settings.every_epochs) and state.epoch % (settings.every_epochs or 1) == 0


def verdict(state: RunState) -> str | None:
    """Why training ends here by the rules of its configuration; None to go on."""
    job, stop = state.job, state.job.config.train.stop
    if state.epoch_over and (reason := state.stopping.verdict):
        return reason
    if state.step >= job.total_steps:
        return "all epochs done" if state.epoch_over and stop.max_steps != state.step else "max_steps reached"
    if stop.max_seconds and state.seconds >= stop.max_seconds:
        return MAX_SECONDS
    return None


def _next_multiple(step: int, every: int) -> int:
    return (step // every + 1) * every
