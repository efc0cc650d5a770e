"""The rate of wrong labels against a distance written out label by label."""

import math
from functools import cache

import numpy as np
import pytest

from dist_bp.components import metric
from dist_bp.errors import ShapeError
from dist_bp.metrics.best_path import best_path
from dist_bp.metrics.label_error_rate import distances
from dist_bp.signals import Ragged

RANDOM = np.random.default_rng(0)


def distance(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    @cache
    def of_first(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        changed = of_first(i - 1, j - 1) + (one[i - 1] != other[j - 1])
        return min(changed, of_first(i - 1, j) + 1, of_first(i, j - 1) + 1)

    return of_first(len(one), len(other))


def test_the_distance() -> None:
    counts = RANDOM.integers(0, 9, (2, 300))
    found, true = (Ragged(RANDOM.integers(0, 3, (300, 8)), lengths) for lengths in counts)
    pairs = zip(*found, *true, strict=True)
    expected = [distance(tuple(a[:i].tolist()), tuple(b[:j].tolist())) for a, i, b, j in pairs]
    assert distances(found, true).tolist() == expected
    assert len(set(expected)) > 5


def test_the_best_path() -> None:
    units = np.array([[3, 0, 0, 3, 0, 1, 1, 2], [1, 1, 3, 2, 2, 2, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0]])
    path = best_path(Ragged(np.eye(4)[units], np.array([8, 5, 0])))
    assert [labels[:length].tolist() for labels, length in zip(*path, strict=True)] == [[0, 0, 1, 2], [1, 2], []]
    assert best_path(np.zeros((0, 4, 3))).lengths.shape == (0,)


@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.5, 2.0, 0.0])])
def test_the_rate_over_parts(weights: np.ndarray | None) -> None:
    """Of two parts that are padded to different lengths, merged."""
    rate = metric("label_error_rate")
    outputs, labels = RANDOM.normal(size=(4, 9, 4)), RANDOM.integers(0, 3, (4, 5))
    lengths, counts = np.array([9, 4, 0, 7]), np.array([5, 2, 1, 0])
    states = []
    for rows, longest in ((slice(0, 1), 9), (slice(1, 4), 8)):
        state = rate.empty()
        part = Ragged(outputs[rows, :longest], lengths[rows]), Ragged(labels[rows], counts[rows])
        rate.update(state, *part, None if weights is None else weights[rows])
        states.append(state)
    path = best_path(Ragged(outputs, lengths))
    errors = [
        distance(tuple(found[:length].tolist()), tuple(true[:count].tolist()))
        for found, length, true, count in zip(*path, labels, counts, strict=True)
    ]
    factors = np.ones(4) if weights is None else weights
    assert rate.result(rate.merge(*states)) == pytest.approx(factors @ errors / (factors @ counts), rel=1e-12)
    assert math.isnan(float(rate.result(rate.empty())))


def test_outputs_of_whole_samples_are_refused() -> None:
    rate = metric("label_error_rate")
    with pytest.raises(ShapeError, match="label_error_rate compares sequences of labels"):
        rate.update(rate.empty(), np.zeros((2, 3)), np.zeros((2, 1), int))
