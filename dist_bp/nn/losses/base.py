"""The contract of a loss."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal

from dist_bp.component import Component
from dist_bp.nn.context import Context
from dist_bp.types import Array, Shape, Task


class Loss(Component):
    """What training makes smaller, and how outputs become predictions (`activation`).

    Sums, counts and gradients of sums add up over batches and workers; whoever wants the mean divides once.
    """

    name: ClassVar[str]
    kind: ClassVar[Task]
    activation: ClassVar[Literal["softmax", "sigmoid", "identity"]]
    needs_class_counts: bool = False
    """Whether the loss is known only with the classes of the training split, by `for_class_counts`."""

    def for_class_counts(self, counts: Sequence[int] | None) -> "Loss":
        """The loss for a training split with so many samples of each class; None: without what they would change."""
        return self

    @abstractmethod
    def check(self, output_shape: Shape, classes: int | None, target_shape: Shape = ()) -> None:
        """Raises ShapeError where the last layer does not fit the targets.

        `classes` is their number where the targets are labels and None where they are numbers;
        `target_shape` is the shape of one sample's target.
        """

    @abstractmethod
    def __call__(self, outputs: Array, targets: Array, ctx: Context) -> tuple[float, int, Array]:
        """(sum of the samples' losses, number of samples, gradient of the sum with respect to the outputs).

        The sum is taken in float64. Neither argument is written; the gradient is the context's memory,
        which backward may overwrite. Evaluation uses the same call and leaves the gradient alone.
        """


def units(output_shape: Shape) -> str:
    """The output shape in the words of a message."""
    return str(output_shape[0]) if len(output_shape) == 1 else f"the shape {output_shape}"
