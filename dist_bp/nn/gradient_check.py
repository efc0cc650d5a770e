"""Backpropagated gradients against central differences, for the layers here and for your own."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dist_bp.groups import Group
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.layer import Layer
from dist_bp.nn.losses.base import Loss
from dist_bp.nn.model import Model
from dist_bp.nn.types import Backward
from dist_bp.signals import Field, Ragged, Signal, Spec, samples_in
from dist_bp.types import Array


def check_gradients(
    layers: Sequence[Layer],
    x: Signal,
    *,
    spec: Spec | None = None,
    loss: Loss | None = None,
    targets: Array | None = None,
    groups: Sequence[Group] | None = None,
    training: bool = True,
    seed: int = 0,
    width: float = 1e-5,
) -> float:
    """The largest relative error of the gradients of all parameters and inputs, in float64.

    `x` are samples: an array (n, *shape), a `Ragged` or a dict of them; `spec` describes them where whole numbers have
    to be told their count. The function differentiated is the loss's sum over the samples, or without a loss a
    random linear combination of the outputs. An error is measured against the larger of the two gradients,
    but at least against a hundredth of the largest gradient of all. Keep away from kinks by more than
    twice the `width`. `groups`: all of `x` in one.
    """
    if (loss is None) != (targets is None):
        raise ValueError("a loss needs targets, and targets a loss")
    x = _copied(x)
    model = Model(layers, spec or spec_of(x), "float64")
    random = np.random.default_rng(seed)
    vector, statistics = model.initialize(seed)
    vector += 0.1 * random.normal(size=vector.shape)
    params, running = model.layout.views(vector), model.statistics_layout.views(statistics)
    sums = Gradients(model.statistics_layout.views(np.zeros_like(statistics)))
    ctx = model.context(seed, needs_input_grad=True)
    rows = samples_in(x)

    def outputs_and_backward() -> tuple[Signal, Backward]:
        sums.begin()
        ctx.begin(
            training=training,
            step=1,
            groups=[Group(0, 0, rows)] if groups is None else groups,
            statistics=running,
            sums=sums,
        )
        return model.forward(x, params, ctx)

    direction = _direction(outputs_and_backward()[0], random)

    def value_and_gradient(outputs: Signal) -> tuple[float, Array]:
        if loss is None or targets is None:
            return float(np.vdot(direction, _values(outputs))), direction.copy()
        value, _, gradient = loss(outputs, targets, ctx)
        return value, gradient

    def value() -> float:
        return value_and_gradient(outputs_and_backward()[0])[0]

    gradient = np.full_like(vector, np.nan)
    grads = Gradients(model.layout.views(gradient))
    grads.begin()
    outputs, backward = outputs_and_backward()
    dx = backward(value_and_gradient(outputs)[1], grads)
    grads.end()
    numbers = list(_leaves(x))
    found = [] if dx is None else [one for one in _leaves(dx) if one is not None]
    if len(found) != len(numbers):
        raise ValueError("the first layer returned no gradient of its input although the context asks for it")
    exact = np.concatenate([gradient, *(array.reshape(-1) for array in found)])
    differences = np.concatenate([_differences(value, array.reshape(-1), width) for array in (vector, *numbers)])
    return _worst_relative_error(exact, differences)


def spec_of(x: Signal) -> Spec:
    """What these samples are, as far as they show it."""
    if isinstance(x, dict):
        return {name: spec_of(signal) for name, signal in x.items()}
    ragged = isinstance(x, Ragged)
    array = x.values if ragged else x
    if array.dtype.kind == "f":
        return Field(array.shape[1 + ragged :], "float", ragged)
    return Field(array.shape[1 + ragged :], "int", ragged, int(array.max(initial=0)) + 1)


def _copied(x: Signal) -> Signal:
    """In float64 where they are no whole numbers, and contiguous."""
    if isinstance(x, dict):
        return {name: _copied(signal) for name, signal in x.items()}
    if isinstance(x, Ragged):
        return Ragged(_copied(x.values), x.lengths)
    x = np.asarray(x)
    return np.array(x, np.float64 if x.dtype.kind == "f" else np.int64, order="C")


def _values(signal: Signal) -> Array:
    return signal.values if isinstance(signal, Ragged) else signal


def _leaves(x: Signal) -> Iterator[Any]:
    """The arrays of floats within, and whatever is None."""
    if isinstance(x, dict):
        for signal in x.values():
            yield from _leaves(signal)
    elif x is None or _values(x).dtype.kind == "f":
        yield None if x is None else _values(x)


def _direction(outputs: Signal, random: np.random.Generator) -> Array:
    """Random factors of the outputs, 0 beyond a sample's length."""
    direction: Array = random.normal(size=_values(outputs).shape)
    if isinstance(outputs, Ragged):
        for row, length in enumerate(outputs.lengths):
            direction[row, length:] = 0
    return direction


def _differences(value: Callable[[], float], array: Array, width: float) -> Array:
    """The derivative of `value` by each element of the vector `array`, from two central differences.

    The fourth-order formula: with one difference alone the curvature of batch normalization over few samples is
    a larger error than the ones to be found.
    """
    result = np.empty_like(array)

    def central(index: int, half: float) -> float:
        middle = array[index]
        array[index] = middle + half
        above = value()
        array[index] = middle - half
        below = value()
        array[index] = middle
        return (above - below) / (2.0 * half)

    for index in range(len(array)):
        result[index] = (4.0 * central(index, width) - central(index, 2.0 * width)) / 3.0
    return result


def _worst_relative_error(exact: Array, differences: Array) -> float:
    """NaN, such as of a gradient that was never written, counts as infinite."""
    sizes = np.maximum(np.abs(exact), np.abs(differences))
    scale = np.maximum(sizes, max(0.01 * sizes.max(initial=0.0), np.finfo(np.float64).tiny))
    return float(np.nan_to_num(np.abs(exact - differences) / scale, nan=np.inf).max(initial=0.0))
