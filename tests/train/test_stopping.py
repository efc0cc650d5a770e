"""When training stops, as a table of decisions."""

import pytest

from dist_bp.train.stopping import Stopping


@pytest.mark.parametrize(
    ("settings", "values", "verdicts"),
    [
        ({"mode": "min", "patience": 2}, [5, 4, 4.5, 4.2], [None, None, None, "no improvement for 2 epochs"]),
        ({"mode": "min", "patience": 2}, [5, 4, 4.5, 3.9], [None] * 4),
        ({"mode": "min", "patience": 1, "min_delta": 0.5}, [5, 4.6], [None, "no improvement for 1 epoch"]),
        ({"mode": "max", "patience": 1}, [0.5, 0.6, 0.6], [None, None, "no improvement for 1 epoch"]),
        ({"mode": "max", "target": 0.9}, [0.5, 0.9], [None, "target 0.9 reached"]),
        ({"mode": "min", "target": 0.1}, [0.2, 0.05], [None, "target 0.1 reached"]),
        ({"mode": "min"}, [1, 2, 3, 4, 5], [None] * 5),
        ({"mode": "min", "patience": 2}, [float("nan"), 4, 3], [None] * 3),
        ({"mode": "min", "patience": 2}, [1, float("nan"), float("nan")], [None, None, "no improvement for 2 epochs"]),
    ],
)
def test_verdicts(settings: dict[str, object], values: list[float], verdicts: list[str | None]) -> None:
    stopping = Stopping(**settings)  # type: ignore[arg-type]
    found = []
    for step, value in enumerate(values):
        stopping.observe(value, step)
        found.append(stopping.verdict)
    assert found == verdicts


def test_the_first_of_equal_values_is_the_best() -> None:
    stopping = Stopping("min", patience=5)
    assert [stopping.observe(value, step) for step, value in enumerate([3, 2, 2, 1, 1])] == [
        True,
        True,
        False,
        True,
        False,
    ]
    assert (stopping.best, stopping.best_step) == (1, 3)


def test_the_state_comes_back() -> None:
    stopping = Stopping("min", patience=2)
    for step, value in enumerate([3, 2, 2.5]):
        stopping.observe(value, step)
    other = Stopping("min", patience=2)
    other.restore(stopping.state())
    assert other == stopping
    other.observe(2.5, 3)
    assert other.verdict
