"""The configuration of a job: one YAML file and overrides, validated into an immutable `JobConfig`."""

from dist_bp.config.job import JobConfig
from dist_bp.config.load import load_config, stored_config
from dist_bp.config.metrics import metrics_or_default, monitor_mode
from dist_bp.config.output import flatten, json_schema, render

__all__ = [
    "JobConfig",
    "flatten",
    "json_schema",
    "load_config",
    "metrics_or_default",
    "monitor_mode",
    "render",
    "stored_config",
]
