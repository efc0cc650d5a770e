"""Layers that read sequences as a whole or mask them, beside each sequence by itself."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dist_bp.errors import ShapeError
from dist_bp.nn import Gradients, Group, Layer, Model, Ragged
from dist_bp.nn.layers.augment.spec_augment import SpecAugment
from dist_bp.nn.layers.last import Last
from dist_bp.nn.layers.max_over_time import MaxOverTime
from dist_bp.nn.layers.mean_over_time import MeanOverTime
from dist_bp.signals import Field, Signal
from dist_bp.types import Array
from tests.nn.helpers import normal

READERS: list[tuple[type[Layer], Callable[[Array], Array]]] = [
    (Last, lambda x: x[-1]),
    (MeanOverTime, lambda x: x.mean(axis=0)),
    (MaxOverTime, lambda x: x.max(axis=0)),
]
EVERY = pytest.mark.parametrize(("make", "read"), READERS, ids=["last", "mean", "max"])


def run(
    layer: Layer, x: Signal, groups: list[Group] | None = None, training: bool = True, seed: int = 0
) -> tuple[Signal, Callable[[Array], Array]]:
    values = x.values if isinstance(x, Ragged) else x
    field = Field(values.shape[2:], ragged=True) if isinstance(x, Ragged) else Field(values.shape[1:])
    model = Model([layer], field, str(values.dtype))  # type: ignore[arg-type]
    ctx = model.context(seed, needs_input_grad=True)
    ctx.begin(training=training, step=1, groups=groups or [Group(0, 0, len(values))])
    y, backward = model.forward(x, {}, ctx)
    return y, lambda dy: backward(dy, Gradients({}))


@EVERY
def test_each_sequence_is_read_to_its_own_end(make: Any, read: Callable[[Array], Array]) -> None:
    lengths = np.array([3, 5, 0, 1])
    x = normal((4, 8, 2)) - 9.0
    for row, length in zip(x, lengths, strict=True):
        row[length:] = 1e9
    y, back = run(make(), Ragged(x, lengths))
    expected = [read(row[:length]) if length else np.zeros(2) for row, length in zip(x, lengths, strict=True)]
    np.testing.assert_allclose(y, expected, rtol=1e-14)
    dx = back(np.ones_like(y))
    np.testing.assert_allclose(dx.sum(axis=1), np.tile((lengths > 0)[:, np.newaxis], 2), rtol=1e-14)
    assert not any(row[length:].any() for row, length in zip(dx, lengths, strict=True))
    np.testing.assert_allclose(run(make(), x)[0], [read(row) for row in x], rtol=1e-14)


def test_of_equal_ones_the_first_is_the_largest() -> None:
    y, back = run(MaxOverTime(), Ragged(np.zeros((2, 4, 1)), np.array([3, 0])))
    np.testing.assert_array_equal(back(np.ones_like(y))[..., 0], [[1, 0, 0, 0], [0, 0, 0, 0]])


@EVERY
def test_nothing_to_read(make: Any, read: Callable[[Array], Array]) -> None:
    y, back = run(make(), Ragged(np.zeros((0, 8, 2)), np.zeros(0, np.int64)), groups=[])
    assert y.shape == (0, 2)
    assert back(y).shape == (0, 8, 2)


MASKS = SpecAugment(time_masks=1, time_width=4, time_share=0.5, frequency_masks=1, frequency_width=3)


def test_masks_are_as_wide_as_was_said_and_anywhere() -> None:
    x, lengths = np.ones((500, 12, 6)), np.full(500, 12)
    lengths[250:] = 6
    y, back = run(MASKS, Ragged(x, lengths))
    times = (y.values == 0).all(axis=2)
    bands = (y.values == 0).all(axis=1)
    assert set(times[:250].sum(axis=1)) == {0, 1, 2, 3, 4}
    assert set(times[250:].sum(axis=1)) == {0, 1, 2, 3}
    assert not times[250:, 6:].any()
    assert times[:250].any(axis=0).all()
    assert set(bands.sum(axis=1)) == {0, 1, 2, 3}
    assert bands.any(axis=0).all()
    assert all((np.diff(np.flatnonzero(row)) == 1).all() for row in [*times, *bands])
    np.testing.assert_array_equal(y.values == 0, times[:, :, np.newaxis] | bands[:, np.newaxis])
    np.testing.assert_array_equal(back(np.ones_like(x)), y.values)


def test_masks_belong_to_groups_and_to_training() -> None:
    x = np.ones((6, 12, 6))
    whole, _ = run(MASKS, x, [Group(0, 0, 3), Group(1, 3, 6)])
    second, _ = run(MASKS, x[3:], [Group(1, 0, 3)])
    np.testing.assert_array_equal(whole[3:], second)
    assert (whole != run(MASKS, x, [Group(0, 0, 3), Group(1, 3, 6)], seed=1)[0]).any()
    assert run(MASKS, x, training=False)[0] is x


def test_a_band_of_all_channels_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"frequency_width is 8, .* set it below 8"):
        Model([SpecAugment()], Field((8,), ragged=True))
