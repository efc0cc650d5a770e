"""What the table of an experiment's runs shows of a job."""

from dist_bp.config import JobConfig, monitor_mode
from dist_bp.track.view import RunsView

SETTINGS = ("train.optimizer.learning_rate", "train.batch_size")


def runs_view(config: JobConfig) -> RunsView:
    """The monitored value first, then losses and metrics; of settings the swept ones, or the usual ones."""
    sweep, checkpoint = config.sweep, config.checkpoint
    monitor, mode = (sweep.metric, sweep.mode) if sweep else (checkpoint.monitor, checkpoint.mode)
    measured = [f"{split}_{name}" for split in ("val", "test") for name in (*config.metrics, "loss")]
    return RunsView(
        metrics=list(dict.fromkeys((monitor, *measured))),
        params=list(sweep.parameters) if sweep else SETTINGS,
        order=monitor,
        ascending=monitor_mode(monitor, mode) == "min",
    )
