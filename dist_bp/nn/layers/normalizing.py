"""What layers that normalise share: gain and offset, and the inverse root of a variance."""

import numpy as np

from dist_bp.errors import ShapeError
from dist_bp.nn.gradients import Gradients
from dist_bp.nn.initializers import Constant
from dist_bp.nn.layer import Parameter
from dist_bp.types import Array, Shape


def gain_and_offset(input_shape: Shape, kind: str) -> dict[str, Parameter]:
    """The parameters of y = gain * normal + offset. Raises ShapeError where a sample has no axis."""
    if not input_shape:
        raise ShapeError(f"{kind} needs samples with an axis of features, got single numbers")
    return {
        "gain": Parameter(input_shape[-1:], Constant(1.0), decay=False),
        "offset": Parameter(input_shape[-1:], Constant(0.0), decay=False),
    }


def affine_gradients(dy: Array, normal: Array, scratch: Array, grads: Gradients) -> None:
    """The gradients of gain and offset where y = gain * normal + offset."""
    over = tuple(range(dy.ndim - 1))
    np.multiply(dy, normal, out=scratch)
    np.add.reduce(scratch, axis=over, out=grads.into("gain"))
    np.add.reduce(dy, axis=over, out=grads.into("offset"))


def inverse_root(variance: Array, epsilon: float, out: Array) -> None:
    """1 / sqrt(variance + epsilon)."""
    np.add(variance, epsilon, out=out)
    np.sqrt(out, out=out)
    np.reciprocal(out, out=out)
