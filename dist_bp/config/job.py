"""The whole configuration of a job."""

from operator import attrgetter
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from dist_bp.components import LOSSES
from dist_bp.config.checks import findings
from dist_bp.config.component import Of
from dist_bp.config.data import DataConfig
from dist_bp.config.decision import DecisionConfig
from dist_bp.config.fields import Section, Whole
from dist_bp.config.metrics import MetricName
from dist_bp.config.model import ModelConfig
from dist_bp.config.monitors import with_default_monitors
from dist_bp.config.run import (
    CheckpointConfig,
    FailureConfig,
    ParameterServerConfig,
    RayConfig,
    ScalingConfig,
    TrackingConfig,
)
from dist_bp.config.sweep import SweepConfig
from dist_bp.config.train import TrainConfig
from dist_bp.foreign import FILE_NAME, file_name

Loss = Annotated[Any, Of(LOSSES)]


class JobConfig(Section):
    """One training job."""

    name: Annotated[str, AfterValidator(file_name)] = Field(
        description="Name of the job: letters, digits, '.', '_' and '-'.",
        json_schema_extra={"pattern": f"^{FILE_NAME}$"},
    )
    seed: Whole = Field(default=0, description="Where all that is random starts from.")
    data: DataConfig = Field(description="The data and its preprocessing.")
    model: ModelConfig = Field(description="The network.")
    loss: Loss = Field(description="What training minimises.")
    metrics: tuple[MetricName, ...] = Field(
        default=(), description="What is measured; empty: accuracy of a classification, r2 of a regression."
    )
    decision: DecisionConfig = Field(
        default=DecisionConfig(), description="How one of two classes is decided for; refused where there are others."
    )
    train: TrainConfig = Field(description="How the network is trained.")
    scaling: ScalingConfig = Field(default=ScalingConfig(), description="How many processes share the work.")
    parameter_server: ParameterServerConfig = Field(
        default=ParameterServerConfig(), description="How gradients become updates."
    )
    checkpoint: CheckpointConfig = Field(default=CheckpointConfig(), description="What is kept of the run.")
    failure: FailureConfig = Field(default=FailureConfig(), description="What happens when something goes wrong.")
    tracking: TrackingConfig = Field(default_factory=TrackingConfig, description="Where MLflow records the run.")
    ray: RayConfig = Field(default=RayConfig(), description="Which Ray cluster runs the job.")
    sweep: SweepConfig | None = Field(default=None, description="Which settings `dist-bp sweep` varies; null: none.")

    @model_validator(mode="before")
    @classmethod
    def _monitors_follow_the_split(cls, data: Any) -> Any:
        return with_default_monitors(data)

    @field_validator("metrics")
    @classmethod
    def _no_duplicates(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"must name each metric once, got {', '.join(repeated)} more than once")
        return names

    @model_validator(mode="after")
    def _sections_agree(self) -> Self:
        found = list(findings(lambda path: attrgetter(path)(self)))
        if found:
            message = "; ".join(f"{path}: {text}" for path, text in found)
            raise PydanticCustomError("disagreement", "{message}", {"message": message, "findings": found})
        return self
