"""`loss`: what training minimises."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from dist_bp.config.fields import ByType, Custom, Fraction, NonNegative, Positive, Section, text_or_other
from dist_bp.config.sources import Task

ClassWeights = Annotated[
    Annotated[Literal["balanced"], Tag("type=text")] | Annotated[tuple[NonNegative, ...], Tag("type=other")],
    Discriminator(text_or_other),
]


class CrossEntropy(Section):
    """Softmax cross-entropy of class labels."""

    type: Literal["cross_entropy"] = Field(description="Softmax cross-entropy of one class out of several.")
    label_smoothing: Fraction = Field(
        default=0.0, description="Share of each target spread over all classes, in [0, 1)."
    )
    class_weights: ClassWeights | None = Field(
        default=None,
        description="A factor for each class's samples, or `balanced`: inverse to the class's frequency.",
    )


class BinaryCrossEntropy(Section):
    """Sigmoid cross-entropy of yes-or-no targets."""

    type: Literal["binary_cross_entropy"] = Field(description="Sigmoid cross-entropy of targets 0 and 1.")
    positive_weight: Positive = Field(default=1.0, description="Factor of the positive samples.")


class MeanSquaredError(Section):
    """Mean of the squared errors."""

    type: Literal["mse"] = Field(description="Mean of the squared errors.")


class MeanAbsoluteError(Section):
    """Mean of the absolute errors."""

    type: Literal["mae"] = Field(description="Mean of the absolute errors.")


class Huber(Section):
    """Squared near zero, absolute further out."""

    type: Literal["huber"] = Field(description="Half the squared error up to delta, linear beyond.")
    delta: Positive = Field(default=1.0, description="Where it becomes linear.")


class CustomLoss(Custom):
    """A loss class of the user's own."""


Loss = Annotated[
    CrossEntropy | BinaryCrossEntropy | MeanSquaredError | MeanAbsoluteError | Huber | CustomLoss, ByType()
]


def loss_task(loss: Loss) -> Task | None:
    """What kind of problem the loss is for; None for the user's own."""
    match loss:
        case CrossEntropy() | BinaryCrossEntropy():
            return "classification"
        case MeanSquaredError() | MeanAbsoluteError() | Huber():
            return "regression"
        case _:
            return None
