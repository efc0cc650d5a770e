"""Outputs and targets of samples as rows, one for each position, of one length or ragged."""

from typing import NamedTuple

import numpy as np

from dist_bp.nn.context import Context
from dist_bp.signals import Ragged, Signal
from dist_bp.types import Array, Shape


class Rows(NamedTuple):
    """All positions one below the other: outputs (n, k), targets (n,) or (n, k), weights (n, 1), None where all are 1.

    `weight` is the sum of the weights, `shape` that which the outputs had. Positions beyond a sample's length have the
    weight 0.
    """

    outputs: Array
    targets: Array
    weights: Array | None
    weight: float
    shape: Shape


def rows_of(outputs: Signal, targets: Signal, weights: Array | None, ctx: Context) -> Rows:
    """`outputs` (samples, *positions, k) and their targets, both ragged or neither."""
    if type(outputs) is Ragged:
        return _ragged(outputs, targets.values, weights, ctx)
    shape = outputs.shape
    if len(shape) == 2 and weights is None:
        return Rows(outputs, targets, None, float(len(outputs)), shape)
    count = len(outputs)
    positions = outputs.size // (count * shape[-1]) if outputs.size else 1
    spread, weight = None, float(count * positions)
    if weights is not None:
        spread = ctx.buffer("loss.weights_of", (count, positions))
        np.copyto(spread, weights[:, np.newaxis], casting="same_kind")
        weight = float(np.add.reduce(weights, dtype=np.float64)) * positions
    flat = targets.reshape(-1) if targets.ndim < len(shape) else targets.reshape(-1, targets.shape[-1])
    return Rows(outputs.reshape(-1, shape[-1]), flat, None if spread is None else spread.reshape(-1, 1), weight, shape)


def _ragged(outputs: Ragged, targets: Array, weights: Array | None, ctx: Context) -> Rows:
    values, lengths = outputs
    count, longest, *_ = values.shape
    spread = ctx.buffer("loss.weights_of", (count, longest))
    at = ctx.buffer("loss.positions", (longest,), np.int64)
    at[:] = np.arange(longest)
    np.less(at, lengths[:, np.newaxis], out=spread, casting="unsafe")
    weight = float(np.add.reduce(lengths))
    if weights is not None:
        np.multiply(spread, weights[:, np.newaxis], out=spread, casting="same_kind")
        weight = float(np.dot(lengths, weights.astype(np.float64)))
    flat = targets.reshape(-1) if targets.ndim < values.ndim else targets.reshape(-1, targets.shape[-1])
    return Rows(values.reshape(-1, values.shape[-1]), flat, spread.reshape(-1, 1), weight, values.shape)
