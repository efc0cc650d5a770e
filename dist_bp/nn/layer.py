"""The contract of a layer."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from dist_bp.component import Component
from dist_bp.nn.context import Context
from dist_bp.nn.initializers import Initializer
from dist_bp.nn.types import Backward, Views
from dist_bp.types import Array, Shape


@dataclass(frozen=True)
class Parameter:
    """A trainable array; weight decay leaves it alone where `decay` is False (biases, gains, offsets)."""

    shape: Shape
    initializer: Initializer
    decay: bool = True


@dataclass(frozen=True)
class Statistic:
    """A running average for evaluation; training does running += (1 - momentum) * (new - running)."""

    shape: Shape
    initial: float
    momentum: float


@dataclass(frozen=True)
class Declaration:
    """What a layer makes of its input shape. Names within nested layers are dotted: "layers.0.weight"."""

    output: Shape
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    statistics: Mapping[str, Statistic] = field(default_factory=dict)


class Layer(Component):
    """Hyperparameters only: the parameters are views of the model's vector, the memory is the context's."""

    @property
    def kind(self) -> str:
        """The layer's name for people: BatchNorm is "batch_norm"."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(self).__name__).lower()

    def unrolled(self) -> "Sequence[Layer]":
        """The layers that take this one's place in a row of layers."""
        return (self,)

    @property
    def count(self) -> int:
        """How many layers it is: those within it count."""
        return 1

    @abstractmethod
    def declare(self, input_shape: Shape) -> Declaration:
        """Raises ShapeError where the layer cannot work on samples of this shape."""

    @abstractmethod
    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        """`x` (n, *input_shape) -> (`y` (n, *output_shape), backward), n may be 0.

        `backward(dy, grads)` overwrites every declared parameter's gradient in `grads` (summed over the
        samples) and returns the gradient of `x`, or None where `ctx.needs_input_grad` is False. It is
        called at most once and may overwrite `dy`; forward never writes `x`, and `y` stays as it is until
        the next forward. Arrays come from `ctx.buffer`.
        """
