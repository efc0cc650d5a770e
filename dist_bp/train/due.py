"""When the loop of a run has something else to do than to train."""

from dist_bp.train.setup import PreparedJob

LEASE_SECONDS = 1.0


def lease_end(job: PreparedJob, step: int, seconds: float, step_seconds: float | None) -> int:
    """About a second's worth of steps on, but never past a step at which something else is to be done.

    Args:
        seconds: those of training so far.
        step_seconds: those of a step, None before the first one.
    """
    wanted = 1 if step_seconds is None else max(int(LEASE_SECONDS / step_seconds), 1)
    round_length = job.config.parameter_server.local_steps or 1
    ends = [
        _next_multiple(step + wanted - 1, round_length),
        _next_multiple(step, job.steps_per_epoch),
        job.total_steps,
    ]
    if every := job.config.checkpoint.every_steps:
        ends.append(_next_multiple(step, every))
    limit = job.config.train.stop.max_seconds
    if limit and step_seconds:
        ends.append(step + max(int((limit - seconds) / step_seconds), 1))
    return min(ends)


def checkpoint_due(job: PreparedJob, step: int) -> bool:
    """Whether the configuration wants one at this step."""
    settings = job.config.checkpoint
    if settings.every_steps and step % settings.every_steps == 0:
        return True
    epoch, inside = divmod(step, job.steps_per_epoch)
    return not inside and bool(settings.every_epochs) and epoch % (settings.every_epochs or 1) == 0


def _next_multiple(step: int, every: int) -> int:
    return (step // every + 1) * every
