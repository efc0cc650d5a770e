"""Augmentation: only in training, drawn for each image, the same for any worker, linear with the right transpose."""

from typing import Any

import numpy as np
import pytest

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn import Group, Layer, Model
from dist_bp.nn.layers.augment.cutout import Cutout
from dist_bp.nn.layers.augment.moving import move
from dist_bp.nn.layers.augment.random_crop import RandomCrop
from dist_bp.nn.layers.augment.random_flip import RandomFlip
from dist_bp.nn.layers.augment.random_rotation import RandomRotation
from dist_bp.nn.layers.augment.random_shift import RandomShift
from dist_bp.nn.layers.augment.turning import turn
from tests.nn.helpers import Net, groups_of, normal

LAYERS = [RandomFlip("both"), RandomCrop(2), RandomShift(0.3, 0.2), RandomRotation(30.0), Cutout(3)]
IMAGE = (7, 6, 2)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.kind)
def test_every_augmentation(layer: Layer) -> None:
    x = normal((40, *IMAGE))
    net = Net([layer], IMAGE)
    first = net.step(x, groups=groups_of(40, 8)).outputs
    np.testing.assert_array_equal(net.step(x, training=False).outputs, x)
    np.testing.assert_array_equal(net.step(x, groups=groups_of(40, 8)).outputs, first)
    assert (net.step(x, groups=groups_of(40, 8), step=6).outputs != first).any()
    changed = (first != x).any(axis=(1, 2, 3))
    assert changed.mean() > 0.5
    own = [Group(3, 0, 8), Group(4, 8, 16)]
    np.testing.assert_array_equal(net.step(x[24:], ctx=net.context(), groups=own).outputs, first[24:])
    assert not net.step(x[:0]).outputs.size


def test_flips() -> None:
    x = normal((200, 3, 4, 1))
    for direction, variants in (
        ("horizontal", [x, x[:, :, ::-1]]),
        ("vertical", [x, x[:, ::-1]]),
        ("both", [x, x[:, :, ::-1], x[:, ::-1], x[:, ::-1, ::-1]]),
    ):
        y = Net([RandomFlip(direction)], (3, 4, 1)).step(x).outputs  # type: ignore[arg-type]
        found = [(y == variant).all(axis=(1, 2, 3)).sum() for variant in variants]
        assert sum(found) == 200
        assert min(found) > 200 / len(variants) / 2


def test_moves() -> None:
    image, out = normal((4, 5, 1)), np.empty((4, 5, 1))
    for down, right in ((0, 0), (1, -2), (-3, 4), (4, 0), (9, -9)):
        move(image, down, right, out)
        for r, c in np.ndindex(4, 5):
            inside = 0 <= r - down < 4 and 0 <= c - right < 5
            assert out[r, c, 0] == (image[r - down, c - right, 0] if inside else 0.0)


@pytest.mark.parametrize(("layer", "most"), [(RandomCrop(2), (2, 2)), (RandomShift(0.5, 0.2), (4, 2))])
def test_crops_and_shifts_reach_every_offset(layer: Layer, most: tuple[int, int]) -> None:
    x = np.zeros((2000, 9, 11, 1))
    x[:, 4, 5] = 1.0
    _, rows, columns, _ = np.nonzero(Net([layer], (9, 11, 1)).step(x).outputs)
    assert (rows.min(), rows.max()) == (4 - most[0], 4 + most[0])
    assert (columns.min(), columns.max()) == (5 - most[1], 5 + most[1])


def test_a_turn_by_known_angles() -> None:
    image, out = normal((5, 5, 2)), np.empty((5, 5, 2))
    for quarters in range(-2, 3):
        turn(image, quarters * np.pi / 2, out)
        np.testing.assert_allclose(out, np.rot90(image, -quarters), atol=1e-12)


def test_turns_reach_both_sides_and_not_further() -> None:
    x = np.zeros((500, 41, 41, 1))
    x[:, 20, 40] = 1.0  # at the right end of the row in the middle
    y = Net([RandomRotation(30.0)], (41, 41, 1)).step(x).outputs[..., 0]
    rows = (y.sum(axis=2) @ np.arange(41.0)) / y.sum(axis=(1, 2)) - 20
    most = 20 * np.sin(np.pi / 6)
    assert -most - 1 < rows.min() < -most + 1
    assert most - 1 < rows.max() < most + 1


def test_holes() -> None:
    y = Net([Cutout(4)], (9, 9, 1)).step(np.ones((500, 9, 9, 1))).outputs[..., 0]
    holes = (y == 0).sum(axis=(1, 2))
    assert holes.max() == 16
    assert holes.min() >= 4
    assert (y == 0).any(axis=0).all()


@pytest.mark.parametrize(("layer", "shape", "limit"), [
    (Cutout, (3, 20, 1), 20), (Cutout, (20, 3, 2), 20), (RandomCrop, (3, 20, 1), 3), (RandomCrop, (20, 3, 2), 3),
    (Cutout, (1, 1, 1), 1), (RandomCrop, (1, 20, 1), 1),
])  # fmt: skip
def test_what_can_leave_nothing_of_an_image_is_refused(layer: Any, shape: tuple[int, ...], limit: int) -> None:
    with pytest.raises(ShapeError, match="which can leave nothing of images of") as refused:
        Model([layer(limit)], shape)
    if limit == 1:
        assert str(refused.value).endswith(": leave the layer out")
        return
    assert str(refused.value).endswith(f": set it below {limit}")
    left = Net([layer(limit - 1)], shape).step(np.ones((500, *shape))).outputs
    assert left.reshape(500, -1).any(axis=1).all()


def test_what_does_not_fit() -> None:
    with pytest.raises(
        ShapeError, match=r"random_flip takes images of shape \(rows, columns, channels\), got \(28, 28\)"
    ):
        Model([RandomFlip()], (28, 28))
    with pytest.raises(ConfigError, match="degrees: must be at most 180"):
        RandomRotation(200.0)
