"""Successive halving as a table of decisions."""

import pytest

from dist_bp.sweep.halving import Halving


def halving(mode="max", first=1, factor=3, last=20):
    return Halving(mode, first, factor, last)


def test_rungs_are_powers_of_the_factor_below_the_end():
    assert [epoch for epoch in range(1, 30) if halving().is_rung(epoch)] == [1, 3, 9]
    assert [epoch for epoch in range(1, 30) if halving(first=2, factor=2, last=8).is_rung(epoch)] == [2, 4]


def test_one_in_so_many_goes_on():
    one = halving()
    for trial, score in enumerate([0.1, 0.2]):
        one.observe(trial, 1, score)
        assert not one.may_pass(trial, 1)
    one.observe(2, 1, 0.15)
    assert [one.may_pass(trial, 1) for trial in range(3)] == [False, True, False]
    assert one.promotable({0: 1, 1: 1, 2: 1}) == 1
    assert one.promotable({0: 1, 2: 1}) is None  # 1 has been promoted: its place is taken


def test_less_is_better_where_it_is_said_and_nan_is_the_worst():
    one = halving("min")
    for trial, score in enumerate([float("nan"), 2.0, 1.0]):
        one.observe(trial, 1, score)
    assert [one.may_pass(trial, 1) for trial in range(3)] == [False, False, True]


def test_the_highest_rung_goes_first_and_there_the_best():
    one = halving(factor=2)
    for trial, score in enumerate([1.0, 2.0, 3.0, 4.0]):
        one.observe(trial, 1, score)
    for trial, score in ((2, 5.0), (3, 4.0)):
        one.observe(trial, 2, score)
    assert one.promotable({0: 1, 1: 1, 2: 2, 3: 2}) == 2
    assert one.promotable({0: 1, 1: 1, 3: 2}) is None


def test_in_the_end_the_best_of_few_is_trained_on():
    one = halving()
    for trial, score in enumerate([0.3, 0.2]):
        one.observe(trial, 1, score)
    assert one.promotable({0: 1, 1: 1}) is None
    assert one.promotable({0: 1, 1: 1}, closing=True) == 0
    one.observe(0, 3, 0.1)
    assert one.promotable({0: 3, 1: 1}, closing=True) == 0
    assert one.promotable({1: 1}, closing=True) is None


@pytest.mark.parametrize(("trials", "factor", "epochs"), [(27, 3, 27), (16, 4, 16), (64, 2, 32)])
def test_the_cost_is_a_fraction_of_training_all(trials, factor, epochs):
    """One at a time, scores that never change their order: at each rung about as many epochs as at the others."""
    one, paused, spent = halving(factor=factor, last=epochs), {}, 0

    def run(trial, start):
        nonlocal spent
        for epoch in range(start + 1, epochs + 1):
            spent += 1
            one.observe(trial, epoch, (trial * 7) % trials)
            if one.is_rung(epoch) and not one.may_pass(trial, epoch):
                paused[trial] = epoch
                return

    for trial in range(trials):
        while (chosen := one.promotable(paused)) is not None:
            run(chosen, paused.pop(chosen))
        run(trial, 0)
    while (chosen := one.promotable(paused, closing=True)) is not None:
        run(chosen, paused.pop(chosen))
    assert spent < 0.4 * trials * epochs
