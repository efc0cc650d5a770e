"""`decision`: which of two classes is the positive one, and when a sample is taken for it."""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from dist_bp.config.fields import TAG, Real, Section

Judge = Literal["f1", "balanced_accuracy", "matthews"]


class ChosenThreshold(Section):
    """A threshold that is chosen on the validation split, anew after each epoch."""

    by: Judge = Field(description="The metric that the threshold makes best on the validation split.")


def _number_or_choice(value: Any) -> str:
    return TAG + ("choice" if isinstance(value, dict | ChosenThreshold) else "number")


class DecisionConfig(Section):
    """How one of two classes is decided for."""

    positive: str | int | float | bool | None = Field(
        default=None,
        description="The class that precision, recall, f1, average_precision and the threshold are of; null: the "
        "second one.",
    )
    threshold: Annotated[
        Annotated[Real, Field(gt=0, lt=1), Tag(f"{TAG}number")] | Annotated[ChosenThreshold, Tag(f"{TAG}choice")],
        Discriminator(_number_or_choice),
    ] = Field(
        default=0.5,
        description="The probability of the positive class above which it is decided for, or `{by: METRIC}`: the one "
        "that is best on the validation split. Saved with the model.",
    )
