"""A job with a sweep over its settings: what all parts of a sweep are given."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dist_bp.config import JobConfig, monitor_mode, render
from dist_bp.config.candidates import with_values
from dist_bp.config.sweep import SweepConfig
from dist_bp.control_group import local_cpus
from dist_bp.errors import ConfigError
from dist_bp.runtime.cluster import cluster_address
from dist_bp.runtime.ray_job import job_tags
from dist_bp.track.origin import program
from dist_bp.track.port import SOURCE, SWEEP
from dist_bp.track.store import resolve_uri
from dist_bp.types import Direction


@dataclass(frozen=True)
class SweepJob:
    """`config` is the whole configuration, `sweep` its section of that name. Made by `of`.

    `enough` are the epochs of every trial where the options of the scheduler name none.
    """

    config: JobConfig
    sweep: SweepConfig
    enough: int = 1

    @classmethod
    def of(cls, config: JobConfig) -> "SweepJob":
        """Raises ConfigError where the configuration has no sweep section."""
        if config.sweep is None:
            raise ConfigError("the configuration has no sweep section: say what to vary in sweep.parameters")
        return cls(config, config.sweep)

    @property
    def base(self) -> JobConfig:
        """The job as it is without the sweep."""
        return self.config.model_copy(update={"sweep": None})

    def trial(self, values: Mapping[str, Any]) -> JobConfig:
        """The job with these values by key. Raises ConfigError where it cannot have them."""
        return with_values(self.config, values)

    def written(self, config: JobConfig) -> str:
        """The sweep's configuration, or a trial's, for a file: without passwords, and without the store where it is the
        environment that names it."""
        return render(config, store=not self.config.tracking.from_environment, passwords=False)

    @property
    def metric(self) -> str:
        return self.sweep.metric

    @property
    def mode(self) -> Direction:
        """Whether less or more of the metric is better."""
        return monitor_mode(self.sweep.metric, self.sweep.mode)

    @property
    def keys(self) -> list[str]:
        """The varied settings."""
        return list(self.sweep.parameters)

    @property
    def grace_period(self) -> int:
        """Epochs that no trial is given up before; 0 where the scheduler has no such thing."""
        configured = self.sweep.scheduler_options.grace_period
        return self.enough if configured is None else configured

    @property
    def concurrent(self) -> int:
        """Trials that may run at a time on this machine."""
        return self.sweep.max_concurrent or local_cpus()

    def absolute(self, name: str) -> "SweepJob":
        """What trials vary: what they write is found from any folder, and each run is one of the sweep's many."""
        config = self.config
        tracking = config.tracking.model_copy(
            update={
                "tracking_uri": resolve_uri(config.tracking.tracking_uri),
                "experiment": config.tracking.experiment or config.name,
                "log_model": False,
                "registered_model": None,
                "tags": {SOURCE: program(), **config.tracking.tags, **job_tags(), SWEEP: name},
                "system_metrics": False,
            }
        )
        folder = str(Path(config.checkpoint.directory).absolute())
        checkpoint = config.checkpoint.model_copy(update={"directory": folder})
        ray = config.ray.model_copy(update={"address": cluster_address(config.ray.address)})
        changed = {"tracking": tracking, "checkpoint": checkpoint, "ray": ray}
        return replace(self, config=config.model_copy(update=changed))
