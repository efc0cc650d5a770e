"""`train.schedule`: the factor of the learning rate over the steps of the job."""

from typing import Annotated, Literal

from pydantic import Field

from dist_bp.config.fields import ByType, Count, Ratio, Section, Share, Text, Whole


class ScheduleBase(Section):
    """What all schedules have."""

    type: str = Field(description="Which schedule.")
    warmup_steps: Whole = Field(default=0, description="Steps over which the learning rate first rises from 0.")


class Constant(ScheduleBase):
    """No change."""

    type: Literal["constant"] = Field(description="The learning rate stays.")


class StepDecay(ScheduleBase):
    """Falls in stairs."""

    type: Literal["step"] = Field(description="Multiplied by `factor` after every `every_steps` steps.")
    every_steps: Count = Field(description="Steps between two falls.")
    factor: Share = Field(default=0.1, description="What remains after a fall, in (0, 1).")


class Exponential(ScheduleBase):
    """Falls smoothly."""

    type: Literal["exponential"] = Field(description="Multiplied by decay_rate over each decay_steps, smoothly.")
    decay_rate: Share = Field(description="What remains after decay_steps, in (0, 1).")
    decay_steps: Count = Field(description="Steps over which decay_rate applies.")


class Cosine(ScheduleBase):
    """Half a cosine to the end of the job."""

    type: Literal["cosine"] = Field(description="Falls along half a cosine to the job's last step.")
    final: Ratio = Field(default=0.0, description="Factor at the last step.")


class Linear(ScheduleBase):
    """A line to the end of the job."""

    type: Literal["linear"] = Field(description="Falls along a line to the job's last step.")
    final: Ratio = Field(default=0.0, description="Factor at the last step.")


class OneCycle(ScheduleBase):
    """Up and down once."""

    type: Literal["one_cycle"] = Field(description="Rises to the learning rate and falls again, once in the job.")
    peak_fraction: Share = Field(default=0.3, description="Part of the job's steps spent rising, in (0, 1).")
    start: Ratio = Field(default=0.04, description="Factor at the first step.")
    final: Ratio = Field(default=1e-4, description="Factor at the last step.")


class Plateau(ScheduleBase):
    """Falls when a monitor stops to improve."""

    type: Literal["plateau"] = Field(description="Multiplied by `factor` when the monitor has stopped improving.")
    monitor: Text = Field(default="val_loss", description="Value that is watched, such as val_loss.")
    factor: Share = Field(default=0.5, description="What remains after a fall, in (0, 1).")
    patience: Count = Field(default=3, description="Epochs without improvement that are borne; the next brings a fall.")
    min_factor: Ratio = Field(default=0.0, description="The factor does not fall below this.")


Schedule = Annotated[Constant | StepDecay | Exponential | Cosine | Linear | OneCycle | Plateau, ByType()]
