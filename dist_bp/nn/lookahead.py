"""Whether a network looks ahead: what it makes of a position depends on positions that follow."""

import math

import numpy as np

from dist_bp.nn.layout import Layout, aligned_zeros
from dist_bp.nn.model import Model
from dist_bp.signals import Field, Ragged
from dist_bp.types import Array

LOOKED_AT = 512
"""Positions that tell, at most."""
ROUNDING = 1e-9
"""So little of the largest output is none, in float64."""


@np.errstate(all="ignore")
def looks_ahead(model: Model, seed: int, longest: int) -> bool:
    """Whether a network that takes ragged whole numbers, at most `longest` of them, looks ahead.

    The first half of a sample is compared before and after the second half has changed. The parameters are random ones
    of the layers' shapes, whatever their initializers: zeros and small numbers, which training changes, would hide it.
    """
    field, size = model.input_spec, min(longest, LOOKED_AT)
    assert isinstance(field, Field)
    assert field.count
    exact, draw = model.computing_in("float64"), np.random.default_rng(seed)
    parameters = exact.layout.views(_random(exact.layout, draw))
    context = exact.context(seed)
    context.begin(training=False, statistics=exact.statistics_layout.views(exact.initialize(seed)[1]))
    half = size // 2
    x = np.repeat(draw.integers(0, field.count, (1, size)), 2, axis=0)
    x[1, half:] = (x[1, half:] + draw.integers(1, field.count, size - half)) % field.count
    y = exact.forward(Ragged(x, np.array([size, size])), parameters, context)[0]
    one, other = y.values[:, :half]
    return not np.allclose(one, other, rtol=0, atol=ROUNDING * float(np.abs(one).max(initial=0)))


def _random(layout: Layout, draw: np.random.Generator) -> Array:
    """Parameters in float64 that keep what goes through the layers of about one size."""
    vector = aligned_zeros(layout.size, np.float64)
    draw.standard_normal(out=vector)
    for entry in layout.entries:
        vector[entry.offset : entry.stop] /= math.sqrt(max(math.prod(entry.shape[:-1]), 1))
    return vector
