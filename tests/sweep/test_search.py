"""Proposals: within their spaces, the same from the same history, better where earlier trials taught something."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.config.sweep import SweepConfig
from dist_bp.errors import UserError
from dist_bp.sweep.search import Search
from dist_bp.sweep.trial import Trial

SPACES = {
    "a": {"type": "uniform", "low": -1.0, "high": 2.0},
    "b": {"type": "loguniform", "low": 1e-4, "high": 1.0},
    "c": {"type": "quniform", "low": 0.0, "high": 1.0, "q": 0.25},
    "d": {"type": "randint", "low": 3, "high": 6},
    "e": {"type": "normal", "mean": 5.0, "sd": 2.0},
    "f": {"type": "choice", "values": [{"x": 1}, [2, 3], "text"]},
}


def search(spaces=SPACES, seed=0, **settings):
    return Search(SweepConfig.model_validate({"parameters": spaces, **settings}), seed)


def finished(number, values, score):
    return Trial(number, values, f"run-{number}", status="finished", curve={1: score}, score=score)


@given(seed=st.integers(0, 2**32), number=st.integers(0, 1000))
def test_draws_lie_in_their_spaces(seed, number):
    values = search(seed=seed).propose(number, [])
    assert -1 <= values["a"] <= 2
    assert 1e-4 <= values["b"] <= 1
    assert values["c"] in (0, 0.25, 0.5, 0.75, 1)
    assert values["d"] in (3, 4, 5)
    assert math.isfinite(values["e"])
    assert values["f"] in SPACES["f"]["values"]


def test_a_normal_space_has_its_mean_and_deviation():
    one = search({"e": SPACES["e"]})
    draws = [one.propose(number, [])["e"] for number in range(400)]
    mean = sum(draws) / len(draws)
    deviation = math.sqrt(sum((draw - mean) ** 2 for draw in draws) / len(draws))
    assert mean == pytest.approx(5, abs=0.4)
    assert deviation == pytest.approx(2, abs=0.3)


@pytest.mark.parametrize("kind", ["random", "tpe"])
def test_the_same_history_gives_the_same_proposal(kind):
    def history(count):
        trials = []
        for number in range(count):
            values = search(search=kind, seed=4).propose(number, trials)
            trials.append(finished(number, values, values["a"]))
        return trials

    first, second = history(15), history(15)
    assert [trial.values for trial in first] == [trial.values for trial in second]
    other = [search(search=kind, seed=5).propose(number, []) for number in range(3)]
    assert other != [trial.values for trial in first[:3]]


def test_tpe_draws_where_it_was_good():
    space = {"a": {"type": "uniform", "low": 0.0, "high": 1.0}}
    one = search(space, search="tpe", metric="val_accuracy")
    trials = []
    for number in range(40):
        values = one.propose(number, trials)
        trials.append(finished(number, values, -abs(values["a"] - 0.8)))
    late = [abs(trial.values["a"] - 0.8) for trial in trials[-15:]]
    assert sum(late) / len(late) < 0.12  # 0.34 for independent draws


def test_a_grid_is_gone_through_once_in_order():
    grid = {"x": {"type": "grid", "values": [1, 2]}, "y": {"type": "choice", "values": "abc"}}
    grid["y"]["values"] = ["a", "b", "c"]
    one = search(grid, search="grid")
    assert one.total == 6
    found = [tuple(one.propose(number, []).values()) for number in range(6)]
    assert found == list(itertools.product([1, 2], "abc"))


def test_random_search_goes_through_grids_for_every_draw():
    one = search({"x": {"type": "grid", "values": [1, 2]}, "a": SPACES["a"]}, num_samples=3)
    assert one.total == 6
    draws = [one.propose(number, []) for number in range(6)]
    assert [draw["x"] for draw in draws] == [1, 2] * 3
    assert len({draw["a"] for draw in draws}) == 6


def small(values):
    return values["a"] < 0


def never(values):
    return False


def test_conditions_are_kept_and_said_where_they_admit_nothing():
    one = search({"a": SPACES["a"]}, conditions=[f"{__name__}:small"])
    assert all(one.propose(number, [])["a"] < 0 for number in range(20))
    with pytest.raises(UserError, match=r"none of 1000 draws can be tried, the last because .*never does not admit"):
        search({"a": SPACES["a"]}, conditions=[f"{__name__}:never"]).propose(0, [])
    with pytest.raises(UserError, match="no combination of the grid can be tried"):
        _ = search({"a": {"type": "grid", "values": [1]}}, search="grid", conditions=[f"{__name__}:never"]).total


def test_values_that_make_no_job_are_not_proposed():
    spaces = {"x": {"type": "choice", "values": [1, 2]}, "y": {"type": "choice", "values": [1, 2]}}

    def wrong(values):
        return "they differ" if values["x"] != values["y"] else None

    for settings in ({"search": "grid"}, {}):
        one = Search(SweepConfig.model_validate({"parameters": spaces, **settings}), 0, wrong)
        found = [one.propose(number, []) for number in range(one.total)]
        assert {(values["x"], values["y"]) for values in found} == {(1, 1), (2, 2)}
        assert len(found) == (2 if settings else 10)


def broken(values):
    raise KeyError("z")


def test_a_condition_that_fails_is_named():
    with pytest.raises(UserError, match=r"broken failed for .*: KeyError: 'z'"):
        search({"a": SPACES["a"]}, conditions=[f"{__name__}:broken"]).propose(0, [])


@given(value=st.floats(-3, 3))
def test_the_nearest_value_of_a_space_is_in_it(value):
    spaces = SweepConfig.model_validate({"parameters": SPACES}).spaces
    assert spaces["c"].nearest(value) in (0, 0.25, 0.5, 0.75, 1)
    assert -1 <= spaces["a"].nearest(value) <= 2
    uneven = SweepConfig.model_validate({"parameters": {"c": SPACES["c"] | {"q": 0.3}}}).spaces["c"]
    assert uneven.nearest(value) in [step * 0.3 for step in range(4)]


def test_what_decides_the_score_is_important():
    spaces = {"a": SPACES["a"], "d": SPACES["d"], "f": SPACES["f"]}
    one = search(spaces, metric="val_accuracy")
    values = [one.propose(number, []) for number in range(40)]
    found = one.importances([finished(number, value, value["a"] ** 3) for number, value in enumerate(values)])
    assert found["a"] > 0.8
    assert sum(found.values()) == pytest.approx(1)
    assert one.importances([finished(0, values[0], 1.0)]) == {}
