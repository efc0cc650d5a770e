"""How a job runs and what it keeps: scaling, parameter server, checkpoints, failures, tracking, Ray."""

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from dist_bp.config.fields import (
    TAG,
    TEXT_BESIDE,
    Count,
    Flag,
    Fraction,
    Positive,
    Real,
    Section,
    Text,
    Whole,
    text_or,
)
from dist_bp.types import Direction


def model_name(value: str) -> str:
    """The value; raises ValueError where no registered model can be called so."""
    if not value.strip(".") or set(value) & set("/:'\"%"):
        raise ValueError(f"must be a name without / : ' \" %, and not of dots alone, got {value!r}")
    return value


ModelName = Annotated[str, AfterValidator(model_name), Field(json_schema_extra={"pattern": r"^[^/:'\"%]+$"})]

Interval = Annotated[
    Annotated[Literal["auto"], Tag(f"{TEXT_BESIDE}a number")] | Annotated[Count, Tag(f"{TAG}other")],
    Discriminator(text_or("a number")),
]


STORE = "sqlite:///mlflow.db"
STORE_VARIABLE = "MLFLOW_TRACKING_URI"


LOCAL_STEPS = 1 << 15
"""The most steps of a round, which is within a lease."""
MAX_STALENESS = 256
"""The most updates that a gradient may be behind. Each takes the memory of one more copy of the parameters and of
one more gradient of each share, and for a worker that is hundreds of updates late there are `async` and `backup`."""

Silence = Annotated[Real, Field(ge=0.1)]
"""Seconds in which a process that is well has answered: on a machine that others use, too, less is no sign of death."""


class ScalingConfig(Section):
    """How many processes share the work."""

    num_workers: Whole = Field(
        default=2, description="Workers that compute gradients; 0: train in this process, without Ray."
    )
    min_workers: Count | None = Field(
        default=None,
        description="Workers that a run begins with where there are no CPUs for more; the others join as CPUs come, "
        "and until then those that are there compute their shares. null: it needs all.",
    )
    servers_per_node: Interval = Field(
        default="auto",
        description="Processes of a node that are parameter servers and nothing else, each with a slice of the "
        "parameters; auto: none where workers can be servers, too, as in the modes sync, local and diloco; else one.",
    )
    cpus_per_worker: Count = Field(default=1, description="CPUs, and so BLAS threads, of a worker.")
    placement: Literal["packed", "spread"] = Field(
        default="packed", description="packed: workers on as few nodes as can hold them. spread: evenly over all nodes."
    )


class ParameterServerConfig(Section):
    """How gradients become updates."""

    mode: Literal["sync", "backup", "ssp", "async", "local", "diloco"] = Field(
        default="sync",
        description="sync: every update waits for all workers. backup: for all but the slowest. ssp: workers may run "
        "ahead. async: every gradient is an update. local: workers train by themselves, then average. "
        "diloco: the same, with many steps and Nesterov's momentum between averages.",
    )
    backup_workers: Count | None = Field(
        default=None, description="backup: gradients that an update does not wait for; they are dropped."
    )
    max_staleness: Whole | None = Field(
        default=None, le=MAX_STALENESS, description="ssp: updates by which the parameters of a gradient may be behind."
    )
    local_steps: Count | None = Field(
        default=None, le=LOCAL_STEPS, description="local, diloco: steps between two averages; null: 500 in diloco."
    )
    outer_learning_rate: Positive | None = Field(
        default=None,
        description="local, diloco: part of the way to the average that is gone; null: 1, all of it, in diloco 0.7.",
    )
    outer_momentum: Fraction | None = Field(
        default=None,
        description="local, diloco: momentum with which the averages are followed; null: none, in diloco 0.9.",
    )
    outer_nesterov: Flag | None = Field(
        default=None, description="local, diloco: that momentum is Nesterov's; null: only in diloco."
    )
    compression: Literal["none", "fp16", "int8", "top_k"] = Field(
        default="none", description="How sums of gradients travel between nodes; what is lost is sent later."
    )
    top_k_fraction: Fraction | None = Field(
        default=None, description="top_k: part of the elements that is sent, those of largest magnitude."
    )
    encrypt: Flag = Field(default=False, description="Encrypt what travels between nodes (CURVE).")
    timeout_seconds: Silence = Field(default=60.0, description="Silence after which a process is taken for dead.")


class CheckpointConfig(Section):
    """What is written to go on from, and to predict with."""

    directory: Text = Field(default="runs", description="Folder of the runs' checkpoints.")
    every_epochs: Count | None = Field(default=1, description="Epochs between two checkpoints; null: none by epochs.")
    every_steps: Count | None = Field(
        default=None,
        description="Steps between two checkpoints; null: none by steps. Rounds of local steps are ended first.",
    )
    keep: Count = Field(default=3, description="How many of the best are kept, besides the last.")
    monitor: Text = Field(
        default="val_loss",
        description="Value that tells which are the best; without a validation split train_loss by default.",
    )
    mode: Direction | None = Field(
        default=None, description="Whether less or more is better; null: told by the monitor's name."
    )


class FailureConfig(Section):
    """What happens when something goes wrong."""

    non_finite: Literal["stop", "skip", "rollback"] = Field(
        default="stop",
        description="A loss or gradient that is NaN or infinite, whose update is never applied. stop: the run ends. "
        "skip: it goes on with the next batch. rollback: it goes back to the last checkpoint with half the learning "
        "rate.",
    )
    max_failures: Whole = Field(default=3, description="What a run recovers from; with one more it ends.")
    snapshot_seconds: Positive = Field(
        default=30,
        description="How often the driver copies in memory where the run stands: what is lost with a whole node, for "
        "example, is made again from there.",
    )
    hang_seconds: Silence | None = Field(
        default=None,
        description="Silence in training after which a worker is taken for dead, ended and replaced; longer than a "
        "share of any step. null: parameter_server.timeout_seconds.",
    )
    spare_workers: Whole = Field(
        default=0,
        description="Processes that wait beside the training to take the place of a lost worker at once, where "
        "ray.address is local; some 80 MB each. 0: one is started when it is needed.",
    )


class TrackingConfig(Section):
    """Where MLflow records the run."""

    tracking_uri: Text = Field(
        default_factory=lambda: os.environ.get(STORE_VARIABLE) or STORE,
        description=f"The MLflow store or server; where none is given that of {STORE_VARIABLE}, if it is set.",
        json_schema_extra={"default": STORE},
    )
    experiment: Text | None = Field(default=None, description="The MLflow experiment; null: the job's name.")
    run_name: Text | None = Field(
        default=None, description="Name of the run; null: the job's name, with a number where there is such a run."
    )
    tags: dict[Text, str] = Field(default={}, description="Tags of the run.")
    every_steps: Interval = Field(
        default="auto", description="Steps between two points of a curve; auto: a readable number."
    )
    system_metrics: Flag = Field(default=True, description="Record the machine's load.")
    artifact_location: Text | None = Field(
        default=None, description="Where a new experiment keeps its files; null: beside the store."
    )
    log_model: Flag = Field(default=True, description="Log the best model and the checkpoints, ready to predict.")
    registered_model: ModelName | None = Field(
        default=None,
        description="A registered model that the best model becomes a version of; its alias `best` is the best of all.",
    )

    @property
    def from_environment(self) -> bool:
        """Whether the configuration names no store and the environment does."""
        return "tracking_uri" not in self.model_fields_set and bool(os.environ.get(STORE_VARIABLE))


class RayConfig(Section):
    """Which Ray cluster runs the job."""

    address: Text = Field(
        default="local",
        description="local: a Ray of the job's own on this machine; auto: the head of `cluster up`, or another that is "
        "up here; else HOST:PORT.",
    )
    start_seconds: Silence = Field(
        default=120.0,
        description="How long Ray, and then workers and servers, may take to start; longer on a loaded machine.",
    )
