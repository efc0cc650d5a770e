"""`train`: epochs and batches, the optimizer, and when to stop."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from dist_bp.components import RULES, SCHEDULES
from dist_bp.config.component import Of
from dist_bp.config.fields import Count, Flag, NonNegative, Positive, Real, Section, Text
from dist_bp.types import Direction

Optimizer = Annotated[Any, Of(RULES)]
Schedule = Annotated[Any, Of(SCHEDULES)]


class StopConfig(Section):
    """What ends training before the last epoch."""

    monitor: Text = Field(
        default="val_loss",
        description="Value that is watched, such as val_accuracy; without a validation split train_loss by default.",
    )
    mode: Direction | None = Field(
        default=None, description="Whether less or more is better; null: told by the monitor's name."
    )
    patience: Count | None = Field(
        default=None, description="Epochs without improvement before stopping; null: no limit."
    )
    min_delta: NonNegative = Field(default=0.0, description="A smaller change is no improvement.")
    restore_best: Flag = Field(default=True, description="Give back the parameters of the best epoch, not of the last.")
    max_steps: Count | None = Field(default=None, description="Updates after which to stop; null: no limit.")
    max_seconds: Positive | None = Field(
        default=None, description="Seconds of training after which to stop; null: no limit."
    )
    target: Real | None = Field(default=None, description="Value of the monitor at which to stop; null: none.")

    @field_validator("min_delta")
    @classmethod
    def _needs_patience(cls, min_delta: float, info: ValidationInfo) -> float:
        if min_delta > 0 and info.data.get("patience", 1) is None:
            raise ValueError("has no effect without patience: set train.stop.patience, or remove it")
        return min_delta


class TrainConfig(Section):
    """How the network is trained."""

    epochs: Count = Field(default=10, description="Passes over the training split.")
    batch_size: Count = Field(default=64, description="Samples of a batch, over all workers together.")
    group_size: Count = Field(
        default=32,
        description="Samples of a group, the part of a batch that is never divided between workers.",
    )
    accumulate: Count = Field(default=1, description="Batches whose gradients are averaged into one update.")
    shuffle: Flag = Field(default=True, description="A new order of the samples in each epoch.")
    group_by_length: Flag = Field(
        default=False,
        description="Batches of samples of similar length, where these differ, so that less of a batch is padding.",
    )
    optimizer: Optimizer = Field(description="The update rule.")
    schedule: Schedule = Field(default={"type": "constant"}, description="The learning rate over the steps.")
    clip_norm: Positive | None = Field(default=None, description="Largest norm of the whole gradient; null: no limit.")
    clip_value: Positive | None = Field(
        default=None, description="Largest size of a gradient's element; null: no limit."
    )
    stop: StopConfig = Field(default=StopConfig(), description="What ends training before the last epoch.")

    @field_validator("group_by_length")
    @classmethod
    def _needs_shuffle(cls, group_by_length: bool, info: ValidationInfo) -> bool:
        if group_by_length and not info.data.get("shuffle", True):
            raise ValueError("puts samples in another order, which train.shuffle: false forbids: remove one of them")
        return group_by_length
