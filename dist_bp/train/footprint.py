"""What a step's forward and backward pass take of memory, told before the first one by passes over short samples."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dist_bp.groups import Group
from dist_bp.nn import Gradients, Model
from dist_bp.nn.layout import aligned_zeros
from dist_bp.signals import Field, Ragged, Signal, Spec, longest_of, numbers_in

SHORT = (64, 128, 192)
"""Positions of the samples that are tried."""
ARRAYS = 16
"""More arrays of the largest size than most networks have: where even these would fit, nothing is tried."""


def step_bytes(model: Model, rows: int, longest: int, free: float) -> float:
    """What `rows` samples, ragged ones padded to `longest` positions, take at least; 0 where they are sure to fit into
    `free` bytes."""
    widest = numbers_in(model.input_spec), *(numbers_in(layer.output) for layer in model.summary())
    scale = longest / longest_of(model.input_spec) if longest else 1.0
    largest = max(rows * max(widest) * scale, longest**2)
    if ARRAYS * largest * model.dtype.itemsize < free:
        return 0.0
    if longest <= SHORT[-1]:
        one, two = (pass_bytes(model, count, longest) for count in (1, 2))
        return one + (rows - 1) * (two - one)
    # The scores of attention grow with the square of the positions: large ones are there of one sample at a time.
    square, line, constant = np.polyfit(SHORT, [pass_bytes(model, 1, positions) for positions in SHORT], 2)
    return float(constant + rows * max(line, 0) * longest + max(square, 0) * longest**2)


@np.errstate(all="ignore")
def pass_bytes(model: Model, rows: int, positions: int) -> int:
    """Bytes of the memory of a forward and a backward pass, and of the inputs."""
    parameters = model.layout.views(aligned_zeros(model.layout.size, model.dtype))
    flat = aligned_zeros(model.statistics_layout.size, model.dtype)
    statistics = model.statistics_layout.views(flat)
    sums = Gradients(model.statistics_layout.views(flat.copy()))
    gradients = Gradients(model.layout.views(aligned_zeros(model.layout.size, model.dtype)))
    for one in (sums, gradients):
        one.begin()
    context, inputs = model.context(0), _zeros(model.input_spec, rows, positions, model.dtype)
    context.begin(training=True, groups=(Group(0, 0, rows),), statistics=statistics, sums=sums)
    y, backward = model.forward(inputs, parameters, context)
    backward(np.zeros_like(y.values if isinstance(y, Ragged) else y), gradients)
    return context.nbytes + _nbytes(inputs)


def _zeros(spec: Spec, rows: int, positions: int, dtype: Any) -> Signal:
    if isinstance(spec, Mapping):
        return {name: _zeros(one, rows, positions, dtype) for name, one in spec.items()}
    assert isinstance(spec, Field)
    kind = np.int64 if spec.kind == "int" else dtype
    if not spec.ragged:
        return np.zeros((rows, *spec.shape), kind)
    return Ragged(np.zeros((rows, positions, *spec.shape), kind), np.full(rows, positions))


def _nbytes(signal: Signal) -> int:
    if isinstance(signal, Mapping):
        return sum(_nbytes(one) for one in signal.values())
    found: int = signal.values.nbytes if isinstance(signal, Ragged) else signal.nbytes
    return found
