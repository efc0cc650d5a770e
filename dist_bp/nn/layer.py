"""The contract of a layer."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from dist_bp.component import Component
from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.initializers import Initializer
from dist_bp.nn.types import Backward, Views
from dist_bp.signals import Spec
from dist_bp.types import Shape


@dataclass(frozen=True)
class Parameter:
    """A trainable array; weight decay leaves it alone where `decay` is False (biases, gains, offsets).

    `rows`: it is a table of which a step touches some rows and writes their gradients by `Gradients.rows`, so that the
    others cost nothing. Decay would touch all: raises ShapeError with both.
    """

    shape: Shape
    initializer: Initializer
    decay: bool = True
    rows: bool = False

    def __post_init__(self) -> None:
        if self.rows and self.decay:
            raise ShapeError("a parameter whose gradient comes by rows takes no weight decay: declare it decay=False")


@dataclass(frozen=True)
class Statistic:
    """A running average for evaluation; training does running += (1 - momentum) * (new - running)."""

    shape: Shape
    initial: float
    momentum: float


@dataclass(frozen=True)
class Declaration:
    """What a layer makes of its input. Names within nested layers are dotted: "layers.0.weight".

    `largest` is how many numbers a sample's largest signal between layers within has; 0 without such layers.
    """

    output: Spec
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    statistics: Mapping[str, Statistic] = field(default_factory=dict)
    largest: int = 0

    def shared(self) -> "Declaration":
        """Of a layer whose parameters another one works with, too: their gradients do not come by rows alone."""
        whole = {name: replace(parameter, rows=False) for name, parameter in self.parameters.items()}
        return replace(self, parameters=whole)


class Layer(Component):
    """Hyperparameters only: the parameters are views of the model's vector, the memory is the context's."""

    positionwise: ClassVar[bool] = True
    """Whether it treats every position alike, so that of ragged samples it is handed the values as if they were of one
    length. Other layers get a `Ragged`, if `declare` lets one in."""

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

    @property
    def continues(self) -> bool:
        """Whether it can take samples a part at a time, as `ctx.past` says, and then makes of all parts together what
        it would make of the whole."""
        return self.positionwise

    def owner(self, before: "Mapping[str, Layer]") -> str | None:
        """Which of the layers `before` it in a row owns the parameters that it works with; None: it has its own.

        It is declared by `declare_beside` then, and declares no parameters. Raises ShapeError where there is none.
        """
        return None

    def declare_beside(self, spec: Any, owner: Declaration) -> Declaration:
        """As `declare`, for a layer that works with the parameters of an `owner`."""
        raise NotImplementedError

    @abstractmethod
    def declare(self, spec: Any) -> Declaration:
        """`spec` describes the input. Raises ShapeError where the layer cannot work on such samples."""

    @abstractmethod
    def forward(self, x: Any, params: Views, ctx: Context) -> tuple[Any, Backward]:
        """`x`, signals of what was declared, (n, *shape) for a field -> (`y`, backward), n may be 0.

        `backward(dy, grads)` writes each parameter's gradient, summed over the samples, into `grads.into(name)` and
        returns the gradient of `x`, or None where `ctx.needs_input_grad` is False. It is called at most once and may
        overwrite `dy`; forward never writes `x`, and `y` stays as it is until the next forward. Arrays come from
        `ctx.buffer`.
        """
