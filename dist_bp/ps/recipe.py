"""What the processes of a run are made from, beside the arena."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dist_bp.data.samples import SampleStore
from dist_bp.data.shards import Batches
from dist_bp.metrics import Metric
from dist_bp.nn import Loss, Model
from dist_bp.optim import Updater

Rate = Callable[[int], float]
"""From the number of global batches so far to the scheduled learning rate."""


@dataclass(frozen=True)
class Task:
    """What gradients are computed of. `data` maps the name of a split to its samples; `batches` says which rows of the
    training split make each share of a step."""

    model: Model
    loss: Loss
    metrics: Mapping[str, Metric]
    data: Mapping[str, SampleStore]
    batches: Batches
    seed: int

    @property
    def followed(self) -> dict[str, Metric]:
        return followed(self.metrics)


def followed(metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Those that are updated with every batch of a training."""
    return {name: metric for name, metric in metrics.items() if metric.on_training}


@dataclass(frozen=True)
class Rules:
    """What updates are made with."""

    updater: Updater
    rate: Rate


@dataclass(frozen=True)
class Contact:
    """How processes of a node get to know each other: by the run's secret. Whoever is silent for `timeout` seconds is
    taken for dead; who may itself wait for another node in an update, for `patience`, or as long without one."""

    secret: bytes
    timeout: float
    patience: float | None = None
