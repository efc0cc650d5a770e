"""States of metrics come out of shared memory as they went in."""

from typing import Any

import numpy as np
import pytest

from dist_bp.components import metric
from dist_bp.metrics.base import State
from dist_bp.ps.states import StateBuffer, bytes_of

CLASSES = ("accuracy", "f1_macro", "log_loss")
NUMBERS = ("mse", "rmse", "r2", "mae")


def buffer(names: tuple[str, ...], outputs: int) -> StateBuffer:
    metrics = {name: metric(name) for name in names}
    return StateBuffer(metrics, np.zeros(bytes_of(metrics, outputs), np.uint8))


def updated(names: tuple[str, ...], outputs: Any, targets: Any, weights: Any = None) -> dict[str, State]:
    states = {name: metric(name).empty() for name in names}
    for name, state in states.items():
        metric(name).update(state, outputs, targets, weights)
    return states


def assert_same(one: dict[str, State], other: dict[str, State]) -> None:
    assert one.keys() == other.keys()
    for name, state in one.items():
        assert state.keys() == other[name].keys()
        for key, array in state.items():
            assert (array.dtype, array.shape) == (other[name][key].dtype, other[name][key].shape)
            np.testing.assert_array_equal(array, other[name][key])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("names", [CLASSES, NUMBERS])
def test_states_come_back_as_they_were(names: tuple[str, ...], weighted: bool) -> None:
    random = np.random.default_rng(3)
    kept = buffer(names, 5)
    for rows in (1, 7, 40):
        outputs = random.normal(size=(rows, 5))
        targets = random.integers(0, 5, rows) if names is CLASSES else random.normal(size=(rows, 5))
        states = updated(names, outputs, targets, random.random(rows) if weighted else None)
        kept.write(states)
        assert_same(kept.read(), states)


def test_states_of_no_sample_come_back_too() -> None:
    kept = buffer(CLASSES, 3)
    states = {name: metric(name).empty() for name in CLASSES}
    kept.write(states)
    assert_same(kept.read(), states)


def test_what_is_read_stays_as_it_is() -> None:
    kept = buffer(("accuracy",), 3)
    kept.write({"accuracy": {"correct": np.array([4]), "count": np.array([9])}})
    read = kept.read()
    kept.write({"accuracy": {"correct": np.array([5]), "count": np.array([10])}})
    assert read["accuracy"]["correct"].tolist() == [4]


@pytest.mark.parametrize("wrong", [np.zeros(1, np.float32), np.zeros(1000)])
def test_a_state_without_room_is_an_error(wrong: Any) -> None:
    with pytest.raises(RuntimeError, match=r"the state correct of the metric accuracy .* has no room"):
        buffer(("accuracy",), 3).write({"accuracy": {"correct": wrong, "count": np.array([9])}})
