from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.optim import Schedule
from dist_bp.optim.schedules.constant import Constant
from dist_bp.optim.schedules.cosine import Cosine
from dist_bp.optim.schedules.exponential import Exponential
from dist_bp.optim.schedules.linear import Linear
from dist_bp.optim.schedules.one_cycle import OneCycle
from dist_bp.optim.schedules.step import StepDecay

TOTAL = 1000


def schedules(warmup: int) -> list[Schedule]:
    return [
        Constant(warmup_steps=warmup),
        StepDecay(every_steps=100, factor=0.5, warmup_steps=warmup),
        Exponential(decay_rate=0.9, decay_steps=50, warmup_steps=warmup),
        Cosine(warmup_steps=warmup),
        Linear(warmup_steps=warmup),
        OneCycle(warmup_steps=warmup),
    ]


@pytest.mark.parametrize(
    ("schedule", "total", "points"),
    [
        (Constant(), 100, {0: 1.0, 10**6: 1.0}),
        (StepDecay(every_steps=10, factor=0.5), 100, {0: 1.0, 9: 1.0, 10: 0.5, 19: 0.5, 20: 0.25}),
        (Exponential(decay_rate=0.25, decay_steps=10), 100, {0: 1.0, 5: 0.5, 10: 0.25, 20: 0.0625}),
        (Cosine(), 100, {0: 1.0, 25: (1 + 0.5**0.5) / 2, 50: 0.5, 100: 0.0, 200: 0.0}),
        (Cosine(final=0.2), 100, {0: 1.0, 50: 0.6, 100: 0.2}),
        (Linear(), 100, {0: 1.0, 25: 0.75, 100: 0.0, 200: 0.0}),
        (Linear(final=0.5), 100, {0: 1.0, 50: 0.75, 100: 0.5}),
        (OneCycle(), 100, {0: 0.04, 29: 1.0, 64: 0.50005, 99: 1e-4, 200: 1e-4}),
        (OneCycle(peak_fraction=0.5, start=0.2, final=0.0), 10, {0: 0.2, 2: 0.6, 4: 1.0, 9: 0.0}),
        (Linear(warmup_steps=10), 110, {0: 0.1, 4: 0.5, 9: 1.0, 10: 1.0, 60: 0.5, 110: 0.0}),
        (StepDecay(every_steps=10, factor=0.5, warmup_steps=5), 100, {4: 1.0, 14: 1.0, 15: 0.5}),
        (OneCycle(warmup_steps=10), 110, {0: 0.004, 9: 0.04, 10: 0.04, 39: 1.0, 109: 1e-4}),
        (OneCycle(), 1, {0: 1.0, 1: 1e-4}),
        (OneCycle(), 2, {0: 1.0, 1: 1e-4}),
        (OneCycle(), 4, {0: 1.0, 3: 1e-4}),
        (OneCycle(), 5, {0: 0.04, 1: 1.0, 4: 1e-4}),
        (OneCycle(peak_fraction=0.99), 5, {0: 0.04, 3: 1.0, 4: 1e-4}),
    ],
    ids=str,
)
def test_named_points(schedule: Schedule, total: int, points: dict[int, float]) -> None:
    assert {step: schedule(step, total) for step in points} == pytest.approx(points, abs=1e-15)


@pytest.mark.parametrize("schedule", schedules(40), ids=str)
def test_warmup_is_linear_and_joins_without_a_jump(schedule: Schedule) -> None:
    peak = schedule(40, TOTAL)
    assert [schedule(step, TOTAL) for step in range(40)] == pytest.approx(
        [(step + 1) / 40 * peak for step in range(40)]
    )
    assert schedule(39, TOTAL) == pytest.approx(peak)


@given(st.integers(0, 2 * TOTAL), st.integers(0, TOTAL - 1))
def test_every_factor_lies_between_0_and_1(step: int, warmup: int) -> None:
    for schedule in schedules(warmup):
        factor = schedule(step, TOTAL)
        assert isinstance(factor, float)
        assert 0.0 <= factor <= 1.0 + 1e-12


@pytest.mark.parametrize("schedule", schedules(50), ids=str)
def test_a_warmup_as_long_as_the_job_takes_half_of_it(schedule: Schedule) -> None:
    assert schedule.fitting(51) is schedule
    for total, warmup in ((50, 25), (9, 4), (1, 0)):
        assert schedule.fitting(total) == replace(schedule, warmup_steps=warmup)
        factors = [schedule.fitting(total)(step, total) for step in range(total)]
        assert all(factor > 0 for factor in factors)
        assert max(factors) == 1.0


@given(st.integers(3, 500), st.floats(0.01, 0.99))
def test_one_cycle_reaches_its_peak_and_its_end(total: int, peak_fraction: float) -> None:
    schedule = OneCycle(peak_fraction=peak_fraction, final=0.01)
    factors = [schedule(step, total) for step in range(total)]
    assert max(factors) == 1.0
    assert factors[-1] == 0.01
    peak = factors.index(1.0)
    assert abs(peak + 1 - peak_fraction * total) <= 1.0
    assert factors[:peak] == sorted(factors[:peak])
    assert factors[peak:] == sorted(factors[peak:], reverse=True)
    assert peak == 0 or factors[0] == pytest.approx(0.04)
