"""The contract of a loss."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np

from dist_bp.component import Component
from dist_bp.errors import ShapeError
from dist_bp.nn.context import Context
from dist_bp.nn.losses.rows import rows_of
from dist_bp.signals import Field, Signal
from dist_bp.types import Array, Shape, Task


class LossSum(NamedTuple):
    """Loss over some samples: a sum, what it is to be divided by for the mean, and the gradient of the sum.

    `weight` counts positions (of a sample without any: the sample), each times the weight of its sample. `gradient`
    is like the values of the outputs, of the context's memory, and backward may overwrite it.
    """

    total: float
    weight: float
    gradient: Array


class Loss(Component):
    """What training makes smaller, and how outputs become predictions (`activation`).

    Sums, weights and gradients of sums add up over batches and workers; whoever wants the mean divides once.
    """

    name: ClassVar[str]
    kind: ClassVar[Task]
    activation: ClassVar[Literal["softmax", "sigmoid", "identity", "ctc"]]
    """`ctc`: sequences of labels, as many as there are, from outputs whose last unit is a blank."""
    needs_class_counts: bool = False
    """Whether the loss is known only with the classes of the training split, by `for_class_counts`."""

    def for_class_counts(self, counts: Sequence[float] | None) -> "Loss":
        """The loss for a training split with so many samples of each class; None: without what they would change."""
        return self

    @abstractmethod
    def check(self, output: Field, target: Field) -> None:
        """Raises ShapeError where the last layer does not fit the targets.

        Labels are whole numbers below `target.count`; other targets are floats.
        """

    def __call__(self, outputs: Signal, targets: Signal, ctx: Context, weights: Array | None = None) -> LossSum:
        """The loss of samples: `outputs` (n, *positions, k), `targets` (n, *positions) or (n, *positions, k), both
        ragged or neither, `weights` (n,) of the samples.

        The sum is taken in float64. No argument is written. Evaluation uses the same call and leaves the gradient
        alone.
        """
        rows = rows_of(outputs, targets, weights, ctx)
        terms, gradient = self.terms(rows.outputs, rows.targets, ctx)
        scale = 1.0 / terms.shape[1]
        if scale != 1.0:
            np.multiply(gradient, scale, out=gradient)
        if rows.weights is not None:
            np.multiply(terms, rows.weights, out=terms)
            np.multiply(gradient, rows.weights, out=gradient)
        total = float(np.add.reduce(terms, axis=None, dtype=np.float64)) * scale
        return LossSum(total, rows.weight, gradient.reshape(rows.shape))

    def terms(self, outputs: Array, targets: Array, ctx: Context) -> tuple[Array, Array]:
        """Of each row of `outputs` (n, k) and `targets` (n,) or (n, k): its terms (n, j), whose mean is its loss, and
        (n, k) the derivatives of their sum. Neither argument is written; both results are of the context's memory.
        A loss of whole samples has a `__call__` of its own instead.
        """
        raise NotImplementedError


def check_lengths(loss: str, output: Field, target: Field) -> None:
    """Raises ShapeError where only one of the two is of samples of different lengths."""
    if output.ragged and not target.ragged:
        raise ShapeError(
            f"{loss}: the last layer gives {output}, an output for each position of samples of different lengths, and "
            "a target is for a whole sample: put {type: mean_over_time}, {type: max_over_time} or {type: last} before "
            "the last layer, or give a target for each position"
        )
    if target.ragged and not output.ragged:
        raise ShapeError(
            f"{loss}: the targets are {target}, one for each position of samples of different lengths, and the last "
            f"layer gives {output} for a whole sample: keep to layers that take each position by itself"
        )


def check_positions(loss: str, output: Field, wanted: Field) -> None:
    """Raises ShapeError where a target has positions, as `wanted` says, and the outputs have not as many."""
    positions, given = wanted.shape[:-1], output.shape[:-1]
    if positions in ((), given):
        return
    found = f"{loss}: a target has {_counted(positions)}, and the last layer gives {output}"
    if given:
        raise ShapeError(f"{found}, {_counted(given)}: targets and outputs must have as many")
    raise ShapeError(
        f"{found} for a whole sample: keep to layers that take each position by itself, or end in {{type: reshape, "
        f"shape: {[*wanted.shape]}}}"
    )


def _counted(positions: Shape) -> str:
    return f"{' x '.join(map(str, positions))} position{'s' * (positions != (1,))}"


def units(output: Field) -> str:
    """The outputs of a position in the words of a message."""
    return str(output.shape[-1]) if len(output.shape) == 1 else f"the shape {output.shape}"


def flatten(output: Field, target: Field) -> str:
    """A remedy where the outputs have axes that the targets have not."""
    return ": put {type: flatten} before it" if len(output.shape) > len(target.shape) + 1 else ""
