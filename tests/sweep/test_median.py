"""The median stopping rule as a table of decisions."""

import pytest

from dist_bp.sweep.median import MedianRule

OTHERS = {0: [0.2, 0.4], 1: [0.4, 0.6], 2: [0.6, 0.8]}
"""Averages up to epoch 2: 0.3, 0.5, 0.7."""


def rule(mode="max", grace=1, least=3):
    one = MedianRule(mode, grace, least)
    for trial, scores in OTHERS.items():
        for epoch, score in enumerate(scores, start=1):
            one.observe(trial, epoch, score)
    return one


@pytest.mark.parametrize(
    ("mode", "scores", "given_up"),
    [("max", [0.1, 0.45], True), ("max", [0.55, 0.1], False), ("min", [0.45, 0.9], False), ("min", [0.9, 0.55], True)],
)
def test_the_best_score_is_compared_with_the_median_of_averages(mode, scores, given_up):
    one = rule(mode)
    for epoch, score in enumerate(scores, start=1):
        one.observe(3, epoch, score)
    assert one.gives_up(3, 2) is given_up


def test_nothing_is_given_up_too_early_or_beside_too_few():
    for one in (rule(grace=3), rule(least=4)):
        one.observe(3, 2, 0.0)
        assert not one.gives_up(3, 2)


def test_trials_that_did_not_come_so_far_do_not_count():
    one = rule()
    one.observe(3, 3, 0.0)
    assert not one.gives_up(3, 3)


def test_a_trial_without_a_number_is_given_up():
    one = rule()
    one.observe(3, 2, float("nan"))
    assert one.gives_up(3, 2)
