"""`data`: the source, its split, and the preprocessing fitted on the training split."""

from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from dist_bp.components import PREPROCESSORS, SOURCES
from dist_bp.config.component import Of
from dist_bp.config.fields import Flag, Fraction, Section, Text
from dist_bp.data.target_transform import TransformName
from dist_bp.types import Task

Source = Annotated[Any, Of(SOURCES)]
Preprocessor = Annotated[Any, Of(PREPROCESSORS)]


class SplitConfig(Section):
    """How the samples are divided."""

    validation: Fraction = Field(default=0.1, description="Fraction of the samples held out to validate, in [0, 1).")
    test: Fraction = Field(
        default=0.1,
        description="Fraction of the samples held out to test, in [0, 1); unused if the source has its own.",
    )
    stratify: Flag = Field(
        default=True, description="Keep the proportions of the classes; without effect on regression."
    )

    @field_validator("test")
    @classmethod
    def _leaves_samples_to_train(cls, test: float, info: ValidationInfo) -> float:
        validation = info.data.get("validation", 0.0)
        if validation + test >= 1:
            raise ValueError(
                f"validation + test must be less than 1, got {validation:g} + {test:g}: nothing is left to train on"
            )
        return test


class TargetConfig(Section):
    """How the targets of a regression are learnt."""

    transform: TransformName = Field(
        default="standardize",
        description="What is learnt in place of them, fitted on the training split and undone in predictions and "
        "metrics; logarithms are standardized, too, and refused for classes.",
    )


class DataConfig(Section):
    """The data of the job."""

    source: Source = Field(description="Where the data comes from.")
    task: Task | None = Field(
        default=None, description="What is predicted; null: told by the loss, else by the metrics or the targets' type."
    )
    target: TargetConfig = Field(default=TargetConfig(), description="How the targets of a regression are learnt.")
    split: SplitConfig = Field(default=SplitConfig(), description="How the samples are divided.")
    preprocess: tuple[Preprocessor, ...] = Field(
        default=(),
        description="Steps in their order, fitted on the training split, saved with the model.",
    )
    prepared: Text = Field(default=".dist_bp/prepared", description="Folder of the prepared, memory-mapped arrays.")
