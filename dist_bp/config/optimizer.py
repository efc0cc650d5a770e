"""`train.optimizer`: the update rule and its hyperparameters."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from dist_bp.config.fields import ByType, Flag, Fraction, NonNegative, Positive, Section


class OptimizerBase(Section):
    """What all update rules have."""

    type: str = Field(description="Which update rule.")
    learning_rate: Positive = Field(description="Size of the steps, before the schedule's factor.")
    weight_decay: NonNegative = Field(
        default=0.0,
        description="How strongly weights are drawn to zero; biases and normalisation are left alone.",
    )
    decoupled: Flag = Field(
        default=False,
        description="true: decay shrinks the weights themselves; false: it is added to the gradient (L2).",
    )


class Sgd(OptimizerBase):
    """Stochastic gradient descent."""

    type: Literal["sgd"] = Field(description="Stochastic gradient descent, with momentum if given.")
    momentum: Fraction = Field(default=0.0, description="Share of the last step that is kept.")
    nesterov: Flag = Field(default=False, description="Look ahead along the momentum.")

    @field_validator("nesterov")
    @classmethod
    def _needs_momentum(cls, nesterov: bool, info: ValidationInfo) -> bool:
        if nesterov and info.data.get("momentum") == 0:
            raise ValueError("needs momentum: set train.optimizer.momentum above 0, such as 0.9")
        return nesterov


class Adam(OptimizerBase):
    """Adam."""

    type: Literal["adam"] = Field(description="Adam: steps scaled by the gradients' first and second moments.")
    beta1: Fraction = Field(default=0.9, description="Memory of the first moment.")
    beta2: Fraction = Field(default=0.999, description="Memory of the second moment.")
    epsilon: Positive = Field(default=1e-8, description="Added to the root of the second moment.")


class AdamW(OptimizerBase):
    """Adam with decoupled weight decay."""

    type: Literal["adamw"] = Field(description="Adam with decoupled weight decay.")
    beta1: Fraction = Field(default=0.9, description="Memory of the first moment.")
    beta2: Fraction = Field(default=0.999, description="Memory of the second moment.")
    epsilon: Positive = Field(default=1e-8, description="Added to the root of the second moment.")
    weight_decay: NonNegative = Field(default=0.01, description="How strongly weights are drawn to zero.")
    decoupled: Flag = Field(default=True, description="true: decay shrinks the weights themselves; false: as in adam.")


class RmsProp(OptimizerBase):
    """RMSprop."""

    type: Literal["rmsprop"] = Field(description="Steps scaled by a running mean of the squared gradients.")
    decay: Fraction = Field(default=0.99, description="Memory of the squared gradients.")
    epsilon: Positive = Field(default=1e-8, description="Added to the root of the mean.")
    momentum: Fraction = Field(default=0.0, description="Share of the last step that is kept.")


class Adagrad(OptimizerBase):
    """Adagrad."""

    type: Literal["adagrad"] = Field(description="Steps scaled by the sum of all squared gradients.")
    epsilon: Positive = Field(default=1e-10, description="Added to the root of the sum.")


class Lion(OptimizerBase):
    """Lion."""

    type: Literal["lion"] = Field(description="Steps of equal size, by the sign of the averaged gradient.")
    beta1: Fraction = Field(default=0.9, description="Share of the average in the direction of a step.")
    beta2: Fraction = Field(default=0.99, description="Memory of the average.")
    decoupled: Flag = Field(default=True, description="true: decay shrinks the weights themselves; false: L2.")


Optimizer = Annotated[Sgd | Adam | AdamW | RmsProp | Adagrad | Lion, ByType()]
