import json

import pytest

from dist_bp.optim import Plateau


def test_halves_after_more_than_patience_values_without_improvement() -> None:
    plateau = Plateau(factor=0.5, patience=2)
    factors = [plateau.observe(value) for value in [3, 2, 2, 2.5, 2, 1.9, 5, 5, 5, 5, 5, 5]]
    assert factors == [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    assert plateau.current == 0.125


def test_max_mode_looks_for_larger_values() -> None:
    plateau = Plateau(factor=0.1, patience=0, mode="max")
    assert [plateau.observe(value) for value in [0.5, 0.6, 0.6, 0.7]] == [1, 1, 0.1, 0.1]


def test_never_goes_below_min_factor() -> None:
    plateau = Plateau(factor=0.1, patience=0, min_factor=0.05)
    assert [plateau.observe(1.0) for _ in range(4)] == [1, 0.1, 0.05, 0.05]


def test_nan_is_no_improvement() -> None:
    plateau = Plateau(patience=0)
    assert [plateau.observe(value) for value in [float("nan"), 1.0, float("nan")]] == [0.5, 0.5, 0.25]


@pytest.mark.parametrize("cut", range(6))
def test_goes_on_from_a_saved_state(cut: int) -> None:
    values = [3.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    whole, first, second = (Plateau(patience=1) for _ in range(3))
    wanted = [whole.observe(value) for value in values]
    got = [first.observe(value) for value in values[:cut]]
    second.restore(json.loads(json.dumps(first.state())))
    assert got + [second.observe(value) for value in values[cut:]] == wanted
