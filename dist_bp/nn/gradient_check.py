"""Backpropagated gradients against central differences, for the layers here and for your own."""

from collections.abc import Callable, Sequence

import numpy as np

from dist_bp.groups import Group
from dist_bp.nn.layer import Layer
from dist_bp.nn.losses.base import Loss
from dist_bp.nn.model import Model
from dist_bp.types import Array


def check_gradients(
    layers: Sequence[Layer],
    x: Array,
    *,
    loss: Loss | None = None,
    targets: Array | None = None,
    groups: Sequence[Group] | None = None,
    training: bool = True,
    seed: int = 0,
    width: float = 1e-5,
) -> float:
    """The largest relative error of the gradients of all parameters and inputs, in float64.

    The function differentiated is the loss's sum over the samples `x` (n, *shape), or without a loss a
    random linear combination of the outputs. An error is measured against the larger of the two gradients,
    but at least against a hundredth of the largest gradient of all. Keep away from kinks by more than
    twice the `width`. `groups`: all of `x` in one.
    """
    if (loss is None) != (targets is None):
        raise ValueError("a loss needs targets, and targets a loss")
    model = Model(layers, x.shape[1:], "float64")
    random = np.random.default_rng(seed)
    x = np.array(x, np.float64, order="C")
    vector, statistics = model.initialize(seed)
    vector += 0.1 * random.normal(size=vector.shape)
    params, running = model.layout.views(vector), model.statistics_layout.views(statistics)
    sums = model.statistics_layout.views(np.zeros_like(statistics))
    direction = random.normal(size=(len(x), *model.output_shape))
    ctx = model.context(seed, needs_input_grad=True)
    ctx.begin(
        training=training,
        step=1,
        groups=[Group(0, 0, len(x))] if groups is None else groups,
        statistics=running,
        sums=sums,
    )

    def value_and_gradient(outputs: Array) -> tuple[float, Array]:
        if loss is None or targets is None:
            return float(np.vdot(direction, outputs)), direction.copy()
        value, _, gradient = loss(outputs, targets, ctx)
        return value, gradient

    def value() -> float:
        return value_and_gradient(model.forward(x, params, ctx)[0])[0]

    gradient = np.full_like(vector, np.nan)
    outputs, backward = model.forward(x, params, ctx)
    dx = backward(value_and_gradient(outputs)[1], model.layout.views(gradient))
    if dx is None:
        raise ValueError("the first layer returned no gradient of its input although the context asks for it")
    exact = np.concatenate([gradient, dx.reshape(-1)])
    differences = np.concatenate([_differences(value, array, width) for array in (vector, x.reshape(-1))])
    return _worst_relative_error(exact, differences)


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
