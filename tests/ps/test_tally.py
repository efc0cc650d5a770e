"""What a share measures counts from the version on that it was told of, and is left where others find it."""

import numpy as np
import pytest

from dist_bp.components import metric
from dist_bp.ps.layout import MEASURED_VERSIONS
from dist_bp.ps.lease import MetricStates
from dist_bp.ps.states import StateBuffer, bytes_of
from dist_bp.ps.tally import Tally
from dist_bp.types import Array

METRICS = {name: metric(name) for name in ("accuracy", "f1_macro")}


@pytest.fixture
def memory() -> list[Array]:
    return [np.zeros(bytes_of(METRICS, 3), np.uint8) for _ in range(MEASURED_VERSIONS)]


def measure(tally: Tally, labels: list[int]) -> None:
    """Samples that the network takes for class 1, all of them."""
    states = tally.fresh()
    for name, one in METRICS.items():
        one.update(states[name], np.eye(3)[[1] * len(labels)], np.array(labels))


def accuracy(states: MetricStates) -> float:
    return float(METRICS["accuracy"].result(states["accuracy"]))


def test_all_samples_of_a_lease_count_together(memory: list[Array]) -> None:
    tally = Tally(METRICS, memory)
    for version, labels in enumerate([[1, 1], [0], [1]], start=5):
        measure(tally, labels)
        tally.count(version)
    assert accuracy(tally.until()) == pytest.approx(3 / 4)
    assert accuracy(StateBuffer(METRICS, memory[7 % MEASURED_VERSIONS]).read()) == pytest.approx(3 / 4)


def test_of_a_version_that_came_to_nothing_nothing_counts(memory: list[Array]) -> None:
    tally = Tally(METRICS, memory)
    for version, labels in enumerate([[1, 0], [2]], start=1):
        measure(tally, labels)
        tally.count(version)
    assert accuracy(tally.until(1)) == 0.5
    assert accuracy(StateBuffer(METRICS, memory[1]).read()) == 0.5
    assert tally.until(0) == {}


def test_what_was_dropped_does_not_count(memory: list[Array]) -> None:
    tally = Tally(METRICS, memory)
    measure(tally, [1])
    tally.count(1)
    measure(tally, [0, 0, 0])
    measure(tally, [1])
    tally.count(3)
    assert accuracy(tally.until()) == 1


def test_a_lease_begins_with_nothing_whoever_has_written_before(memory: list[Array]) -> None:
    tally = Tally(METRICS, memory)
    measure(tally, [1])
    tally.count(1)
    for half in memory:
        StateBuffer(METRICS, half).write({name: one.empty() for name, one in METRICS.items()})
    tally.begin()
    assert tally.until() == {}
    measure(tally, [1, 2])
    tally.count(1)
    assert accuracy(StateBuffer(METRICS, memory[1]).read()) == 0.5


def test_a_lease_goes_on_from_what_was_measured_before(memory: list[Array]) -> None:
    before, after = Tally(METRICS, memory), Tally(METRICS, memory)
    measure(before, [1, 0])
    before.count(1)
    after.begin(before.until())
    measure(after, [1, 1])
    after.count(2)
    assert accuracy(after.until()) == 0.75
    assert accuracy(before.until()) == 0.5
    assert accuracy(StateBuffer(METRICS, memory[2]).read()) == 0.75


def test_what_counts_is_there_until_two_versions_after_it_do(memory: list[Array]) -> None:
    """A node may compute for the one after next of a version that is the newest of another."""
    tally = Tally(METRICS, memory)
    for version, labels in enumerate([[1], [0], [0]], start=1):
        measure(tally, labels)
        tally.count(version)
    assert [accuracy(StateBuffer(METRICS, memory[version % 3]).read()) for version in (1, 2, 3)] == [1, 1 / 2, 1 / 3]
