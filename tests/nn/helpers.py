"""A model with its vectors and a step of training, for the tests of this folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dist_bp.nn import Context, Gradients, Group, Layer, Loss, Model, Ragged, Shape
from dist_bp.signals import Signal, Spec
from dist_bp.types import Array


def groups_of(rows: int, size: int, first: int = 0) -> list[Group]:
    """Groups of `size` rows, the last one with what remains; numbered from `first`."""
    starts = range(0, rows, size)
    return [Group(first + i, start, min(start + size, rows)) for i, start in enumerate(starts)]


@dataclass
class Result:
    outputs: Array
    dx: Array | None
    grads: Array
    sums: Array
    loss: float


class Net:
    """A model, its parameters and one context; `randomize` moves the parameters off their symmetric start."""

    def __init__(
        self, layers: Sequence[Layer], shape: Shape, dtype: str = "float64", needs_input_grad: bool = True
    ) -> None:
        self.model = Model(layers, shape, dtype)  # type: ignore[arg-type]
        self.vector, self.running = self.model.initialize(3)
        random = np.random.default_rng(4)
        self.vector += 0.1 * random.normal(size=self.vector.shape)
        self.params = self.model.layout.views(self.vector)
        self.statistics = self.model.statistics_layout.views(self.running)
        self.grads = np.full_like(self.vector, np.nan)
        self.sums = np.full_like(self.running, np.nan)
        self.grad_views = Gradients(self.model.layout.views(self.grads))
        self.sum_views = Gradients(self.model.statistics_layout.views(self.sums))
        self.running_sums = self.model.statistics_layout.views(self.sums)
        self.needs_input_grad = needs_input_grad
        self.ctx = self.context()

    def context(self, seed: int = 0) -> Context:
        return self.model.context(seed, self.needs_input_grad)

    def begin(
        self,
        ctx: Context,
        rows: int,
        groups: Sequence[Group] | None = None,
        training: bool = True,
        step: int = 5,
    ) -> None:
        groups = groups_of(rows, 4) if groups is None else groups
        self.grad_views.begin()
        self.sum_views.begin()
        ctx.begin(training=training, step=step, groups=groups, statistics=self.statistics, sums=self.sum_views)

    def step(
        self,
        x: Array,
        targets: Array | None = None,
        loss: Loss | None = None,
        ctx: Context | None = None,
        groups: Sequence[Group] | None = None,
        training: bool = True,
        step: int = 5,
    ) -> Result:
        """Forward and backward; without a loss the gradient of the outputs is all ones. Returns copies."""
        ctx = ctx or self.ctx
        self.begin(ctx, len(x), groups, training, step)
        outputs, backward = self.model.forward(x, self.params, ctx)
        value, dy = 0.0, np.ones_like(outputs)
        if loss is not None and targets is not None:
            value, _, dy = loss(outputs, targets, ctx)
        kept = outputs.copy()
        dx = backward(dy, self.grad_views)
        self.grad_views.end()
        self.sum_views.end()
        return Result(kept, None if dx is None else dx.copy(), self.grads.copy(), self.sums.copy(), value)


class Run:
    """A model with its parameters off their start; `outputs` are those of a step of evaluation."""

    def __init__(self, layers: list[Layer], spec: Spec, dtype: Any = "float64") -> None:
        self.model = Model(layers, spec, dtype)
        vector, running = self.model.initialize(3)
        vector += (0.3 * np.random.default_rng(4).normal(size=vector.shape)).astype(dtype)
        self.vector, self.params = vector, self.model.layout.views(vector)
        self.statistics = self.model.statistics_layout.views(running)
        self.context: Context = self.model.context(0, needs_input_grad=True)

    def outputs(self, x: Signal) -> Array:
        self.context.begin(training=False, statistics=self.statistics)
        y, _ = self.model.forward(x, self.params, self.context)
        values: Array = y.values if isinstance(y, Ragged) else y
        return values.copy()


def normal(shape: tuple[int, ...], seed: int = 0, dtype: str = "float64") -> Array:
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def away_from_zero(shape: tuple[int, ...], seed: int = 0) -> Array:
    """Values with 0.05 <= |value|, so that a kink at zero is far."""
    values = normal(shape, seed)
    return np.copysign(np.abs(values) + 0.05, values)
