"""`data`: the source, its split, and the preprocessing fitted on the training split."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, ValidationInfo, field_validator

from dist_bp.config.fields import ByType, Flag, Fraction, Positive, Real, Section, Text, text_or_other
from dist_bp.config.sources import Source, Task

Columns = tuple[Text, ...] | None
FillValue = Annotated[
    Annotated[Text, Tag("type=text")] | Annotated[Real, Tag("type=other")], Discriminator(text_or_other)
]


class Standardize(Section):
    """Mean 0 and standard deviation 1."""

    type: Literal["standardize"] = Field(description="Shift and scale each column to mean 0, standard deviation 1.")
    columns: Columns = Field(default=None, description="Which columns; null: all numeric ones.")


class MinMax(Section):
    """A fixed range."""

    type: Literal["min_max"] = Field(description="Shift and scale each column to the range low to high.")
    low: Real = Field(default=0.0, description="What the smallest training value becomes.")
    high: Real = Field(default=1.0, description="What the largest training value becomes.")
    columns: Columns = Field(default=None, description="Which columns; null: all numeric ones.")

    @field_validator("high")
    @classmethod
    def _above_low(cls, high: float, info: ValidationInfo) -> float:
        if "low" in info.data and high <= info.data["low"]:
            raise ValueError(f"must be greater than low ({info.data['low']:g}), got {high:g}")
        return high


class Scale(Section):
    """A constant factor."""

    type: Literal["scale"] = Field(description="Multiply all numbers by a constant, such as pixels by 1/255.")
    factor: Positive = Field(default=1 / 255, description="The constant.")


class OneHot(Section):
    """One column for each category."""

    type: Literal["one_hot"] = Field(description="Replace a categorical column by one column of 0 and 1 a category.")
    columns: Columns = Field(default=None, description="Which columns; null: all categorical ones.")


class Impute(Section):
    """Values for the missing ones."""

    type: Literal["impute"] = Field(description="Fill in missing values.")
    strategy: Literal["mean", "median", "most_frequent", "constant"] = Field(
        default="mean", description="Where the value comes from: the training split's column, or `value`."
    )
    value: FillValue | None = Field(default=None, description="The value of the strategy constant.")
    columns: Columns = Field(default=None, description="Which columns; null: all that have missing values.")

    @field_validator("value")
    @classmethod
    def _belongs_to_constant(cls, value: float | str | None, info: ValidationInfo) -> float | str | None:
        strategy = info.data.get("strategy")
        if strategy == "constant" and value is None:
            raise ValueError("is required by the strategy constant")
        if strategy in ("mean", "median", "most_frequent") and value is not None:
            raise ValueError(f"has no effect with the strategy {strategy}: remove it, or set strategy: constant")
        return value


Preprocessor = Annotated[Standardize | MinMax | Scale | OneHot | Impute, ByType()]


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


class DataConfig(Section):
    """The data of the job."""

    source: Source = Field(description="Where the data comes from.")
    task: Task | None = Field(default=None, description="What is predicted; null: told by the targets' type.")
    split: SplitConfig = Field(default=SplitConfig(), description="How the samples are divided.")
    preprocess: tuple[Preprocessor, ...] = Field(
        default=(),
        description="Steps in their order, fitted on the training split, saved with the model.",
    )
    prepared: Text = Field(default=".dist_bp/prepared", description="Folder of the prepared, memory-mapped arrays.")

    @field_validator("task")
    @classmethod
    def _agrees_with_source(cls, task: Task | None, info: ValidationInfo) -> Task | None:
        of_source = getattr(info.data.get("source"), "task", None)
        if None not in (task, of_source) and task != of_source:
            raise ValueError(f"{task} contradicts data.source.task: {of_source}")
        return task
