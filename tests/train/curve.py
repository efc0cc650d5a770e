"""Fifty steps of a small network, and the losses of formulas written out in NumPy.

Shared with the product is what a seed stands for, the initial parameters and the order of the samples, and no more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pytest

from dist_bp.data import epoch_order
from dist_bp.data.samples import RaggedArray, SampleStore, Stored
from dist_bp.nn import Layer, Loss, Spec
from dist_bp.nn.losses.cross_entropy import CrossEntropy
from dist_bp.nn.losses.mean_squared_error import MeanSquaredError
from dist_bp.types import Array
from tests.ps.group import LocalGroup, Problem
from tests.train.golden import momentum
from tests.train.tape import OUTSIDE, Value, cross_entropy, derivatives, squared_error, value

SEED, STEPS, SAMPLES, BATCH, GROUP = 3, 50, 43, 16, 4
"""The last batch of an epoch has 11 samples, groups of 4, 4 and 3."""
Parameters = Mapping[str, Value]


@dataclass(frozen=True)
class Curve:
    """A network, the same in formulas (`outputs` of some samples), and the losses after 1, 10 and 50 steps."""

    spec: Spec
    layers: Callable[[], list[Layer]]
    outputs: Callable[[Parameters, Stored], Value]
    inputs: Stored
    targets: Stored
    recorded: tuple[float, float, float]
    weights: Array | None = None
    group: int = GROUP
    rate: float = 0.1
    """Low enough that no difference in rounding grows."""

    @property
    def labels(self) -> bool:
        targets = self.targets.values if isinstance(self.targets, RaggedArray) else self.targets
        return bool(targets.dtype.kind == "i")

    def loss(self) -> Loss:
        return CrossEntropy() if self.labels else MeanSquaredError()

    def problem(self) -> Problem:
        return Problem(
            self.layers,
            samples=SAMPLES,
            loss=self.loss,
            batch_size=BATCH,
            group_size=self.group,
            rate=self.rate,
            spec=self.spec,
            store=lambda: SampleStore(self.inputs, self.targets, self.weights),
        )

    def losses(self) -> list[float]:
        """Of the formulas: the mean of each step, over groups of samples that see nothing of each other."""
        model, steps_per_epoch = self.problem().model(), -(-SAMPLES // BATCH)
        start = model.layout.named(model.initialize(11)[0])
        parameters = {name: array.copy() for name, array in start.items()}
        update, found = momentum(self.rate, 0.9), []
        for step in range(STEPS):
            epoch, batch = divmod(step, steps_per_epoch)
            rows = epoch_order(SAMPLES, SEED, epoch)[batch * BATCH : (batch + 1) * BATCH]
            total, weight = 0.0, 0.0
            gradient = {name: np.zeros_like(array) for name, array in parameters.items()}
            for first in range(0, len(rows), self.group):
                group, named = rows[first : first + self.group], {name: value(one) for name, one in parameters.items()}
                loss, more = self.terms(named, group)
                total, weight = total + loss.data.item(), weight + more
                for name, slope in derivatives(loss, named).items():
                    gradient[name] += slope
            found.append(total / weight)
            update(parameters, {name: slope / weight for name, slope in gradient.items()}, step)
        return found

    def terms(self, parameters: Parameters, rows: Array) -> tuple[Value, float]:
        """The weighted sum of the losses of some samples, and of their weights."""
        targets, outputs = taken(self.targets, rows), self.outputs(parameters, taken(self.inputs, rows))
        weights = np.ones(len(rows)) if self.weights is None else self.weights[rows]
        if isinstance(self.targets, RaggedArray):
            targets, weights = np.concatenate(targets), np.repeat(weights, self.targets.lengths(rows))
        elif self.labels:
            weights = np.repeat(weights, targets.size // len(rows))
        flat = outputs.reshape(-1, outputs.data.shape[-1])
        losses = cross_entropy(flat, targets.reshape(-1)) if self.labels else squared_error(flat, targets)
        return (losses * weights[:, np.newaxis]).sum(), float(weights.sum())


def taken(stored: Stored, rows: Array) -> Stored:
    """Some samples; ragged ones as a list."""
    if isinstance(stored, RaggedArray):
        return [stored.values[stored.offsets[row] : stored.offsets[row + 1]] for row in rows]
    return {name: one[rows] for name, one in stored.items()} if isinstance(stored, dict) else stored[rows]


def affine(x: Value, p: Parameters, name: str) -> Value:
    return x @ p[f"{name}.weight"] + p[f"{name}.bias"]


def scaled(x: Value, p: Parameters, name: str) -> Value:
    return x * p[f"{name}.gain"] + p[f"{name}.offset"]


def embedded(table: Value, ids: Array, padding: int | None = None) -> Value:
    size = table.data.shape[1]
    index = ids[..., np.newaxis] * size + np.arange(size)
    return table.pick(index if padding is None else np.where(ids[..., np.newaxis] == padding, OUTSIDE, index))


def check(curve: Curve) -> None:
    """Every step has the loss of the formulas."""
    with LocalGroup(curve.problem()) as group:
        (report,), _ = group.run(0, STEPS)
    found = (report.losses / report.weights).tolist()
    assert found == pytest.approx(curve.losses(), rel=1e-12)
    assert [found[step] for step in (0, 9, 49)] == pytest.approx(curve.recorded, rel=1e-10)
