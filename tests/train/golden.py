"""Fifty steps of training written out in plain NumPy, sharing with the product what a seed stands for and nothing else.

That is: the initial parameters, the order of an epoch's samples and the generator of a group's dropout. The
network is dense without bias, batch_norm, tanh, dropout, dense.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dist_bp.data import epoch_order
from dist_bp.nn import Context

Array = npt.NDArray[Any]
Parameters = dict[str, Array]
Slope = Callable[[Array, Array], tuple[Array, Array]]
"""From outputs and targets to each sample's loss and its derivative by the outputs."""
Update = Callable[[Parameters, Parameters, int], None]
"""Changes the parameters by the gradient of step 0, 1, ..."""

EPSILON = 1e-5


@dataclass
class Reference:
    """Trains `parameters` in place and keeps the running `statistics`; both by the names of a checkpoint."""

    parameters: Parameters
    seed: int
    batch_size: int
    group_size: int
    rate: float
    momentum: float

    def __post_init__(self) -> None:
        units = len(self.parameters["1.gain"])
        self.statistics = {"1.mean": np.zeros(units), "1.variance": np.ones(units)}

    def train(self, inputs: Array, targets: Array, steps: int, slope: Slope, update: Update) -> list[float]:
        """The mean loss of each step."""
        losses: list[float] = []
        for step in range(steps):
            epoch, batch = divmod(step, math.ceil(len(inputs) / self.batch_size))
            order = epoch_order(len(inputs), self.seed, epoch)
            rows = order[batch * self.batch_size : (batch + 1) * self.batch_size]
            loss, gradient = self.pass_over(inputs[rows], targets[rows], step, slope)
            losses.append(loss)
            update(self.parameters, gradient, step)
        return losses

    def pass_over(self, inputs: Array, targets: Array, step: int, slope: Slope) -> tuple[float, Parameters]:
        """Loss and gradient of a batch, group by group; moves the running statistics."""
        rows, total = len(inputs), 0.0
        gradient = {name: np.zeros_like(values) for name, values in self.parameters.items()}
        means, variances = (np.zeros_like(values) for values in self.statistics.values())
        for index, start in enumerate(range(0, rows, self.group_size)):
            group = slice(start, min(start + self.group_size, rows))
            losses, parts, mean, variance = self.pass_over_group(inputs[group], targets[group], step, index, slope)
            total += losses.sum()
            means += len(losses) / rows * mean
            variances += len(losses) / rows * variance * len(losses) / (len(losses) - 1)
            for name, part in parts.items():
                gradient[name] += part / rows
        for name, batch in (("1.mean", means), ("1.variance", variances)):
            self.statistics[name] = self.momentum * self.statistics[name] + (1 - self.momentum) * batch
        return total / rows, gradient

    def pass_over_group(
        self, x: Array, targets: Array, step: int, index: int, slope: Slope
    ) -> tuple[Array, Parameters, Array, Array]:
        p = self.parameters
        hidden = x @ p["0.weight"]
        mean, variance = hidden.mean(axis=0), ((hidden - hidden.mean(axis=0)) ** 2).mean(axis=0)
        deviation = np.sqrt(variance + EPSILON)
        normal = (hidden - mean) / deviation
        active = np.tanh(normal * p["1.gain"] + p["1.offset"])
        mask = (self.draws(step, index, active.shape) >= self.rate) / (1 - self.rate)
        dropped = active * mask
        losses, d_outputs = slope(dropped @ p["4.weight"] + p["4.bias"], targets)

        d_affine = (d_outputs @ p["4.weight"].T) * mask * (1 - active**2)
        d_normal = d_affine * p["1.gain"]
        # By the chain rule over mean and variance, both functions of all rows.
        d_variance = (d_normal * (hidden - mean)).sum(axis=0) * -0.5 / deviation**3
        d_mean = -d_normal.sum(axis=0) / deviation
        d_hidden = d_normal / deviation + (2 * d_variance * (hidden - mean) + d_mean) / len(x)
        gradient = {
            "0.weight": x.T @ d_hidden,
            "1.gain": (d_affine * normal).sum(axis=0),
            "1.offset": d_affine.sum(axis=0),
            "4.weight": dropped.T @ d_outputs,
            "4.bias": d_outputs.sum(axis=0),
        }
        return losses, gradient, mean, variance

    def draws(self, step: int, index: int, shape: tuple[int, ...]) -> Array:
        context = Context.root("float64", self.seed).child("3")
        context.begin(training=True, step=step)
        return context.generator(index).random(shape)


def cross_entropy(outputs: Array, labels: Array) -> tuple[Array, Array]:
    shares = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    hot = np.eye(outputs.shape[1])[labels]
    return -np.log((shares * hot).sum(axis=1)), shares - hot


def squared_error(outputs: Array, targets: Array) -> tuple[Array, Array]:
    """The mean over the units of a sample."""
    errors = outputs - targets
    return (errors**2).mean(axis=1), 2 * errors / errors.shape[1]


def momentum(rate: float, factor: float) -> Update:
    velocity: Parameters = {}

    def update(parameters: Parameters, gradient: Parameters, step: int) -> None:
        for name, slope in gradient.items():
            velocity[name] = factor * velocity.get(name, 0.0) + slope
            parameters[name] -= rate * velocity[name]

    return update


def adam(rate: float, warmup: int, steps: int, weight_decay: float, clip_norm: float) -> Update:
    """Adam after a warm-up and along a cosine; the decay is of weights only and comes after the clipping."""
    first: Parameters = {}
    second: Parameters = {}

    def update(parameters: Parameters, gradient: Parameters, step: int) -> None:
        norm = math.sqrt(sum((slope**2).sum() for slope in gradient.values()))
        for name, slope in gradient.items():
            slope = slope * min(1.0, clip_norm / norm)
            if name.endswith("weight"):
                slope = slope + weight_decay * parameters[name]
            first[name] = 0.9 * first.get(name, 0.0) + 0.1 * slope
            second[name] = 0.999 * second.get(name, 0.0) + 0.001 * slope**2
            mean, square = first[name] / (1 - 0.9 ** (step + 1)), second[name] / (1 - 0.999 ** (step + 1))
            parameters[name] -= rate * scheduled(step, warmup, steps) * mean / (np.sqrt(square) + 1e-8)

    return update


def scheduled(step: int, warmup: int, steps: int) -> float:
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))
