import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.errors import ConfigError
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
        (OneCycle(), 100, {0: 0.04, 15: 0.52, 30: 1.0, 65: 0.50005, 100: 1e-4, 200: 1e-4}),
        (OneCycle(peak_fraction=0.5, start=0.2, final=0.0), 10, {0: 0.2, 5: 1.0, 10: 0.0}),
        (Linear(warmup_steps=10), 110, {0: 0.1, 4: 0.5, 9: 1.0, 10: 1.0, 60: 0.5, 110: 0.0}),
        (StepDecay(every_steps=10, factor=0.5, warmup_steps=5), 100, {4: 1.0, 14: 1.0, 15: 0.5}),
        (OneCycle(warmup_steps=10), 110, {0: 0.004, 9: 0.04, 10: 0.04, 40: 1.0, 110: 1e-4}),
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


@pytest.mark.parametrize("schedule", [Cosine, Linear, OneCycle])
def test_a_warmup_as_long_as_the_job_is_refused(schedule: type[Cosine]) -> None:
    with pytest.raises(ConfigError, match=r"warmup_steps \(50\) must be fewer than the job's steps \(50\)"):
        schedule(warmup_steps=50).check(50)
