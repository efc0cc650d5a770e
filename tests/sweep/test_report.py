"""What a sweep's page shows: the best value so far, and plots to explore."""

import re
from typing import Any

import pytest

from dist_bp.sweep.interactive import report
from dist_bp.sweep.progress import BestSoFar
from dist_bp.sweep.trial import Status, Trial
from dist_bp.track.null import NullTracker
from dist_bp.tuning.spaces.base import Space
from dist_bp.tuning.spaces.choice import ChoiceSpace
from dist_bp.tuning.spaces.loguniform import LogUniformSpace
from dist_bp.tuning.spaces.normal import NormalSpace
from dist_bp.tuning.spaces.quniform import QUniformSpace
from dist_bp.tuning.spaces.randint import RandIntSpace
from dist_bp.tuning.spaces.uniform import UniformSpace

SPACES: dict[str, Space] = {
    "a": LogUniformSpace(low=1e-4, high=1e-1),
    "b": RandIntSpace(low=1, high=4),
    "c": ChoiceSpace(values=[32, None, [1, 2], "<b>"]),
    "d": NormalSpace(mean=0.0, sd=1.0),
    "e": QUniformSpace(low=0.0, high=0.4, q=0.1),
    "f": UniformSpace(low=-1.0, high=1.0),
}


def trial(number: int, score: float | None, status: Status = "finished") -> Trial:
    values = {"a": 10.0**-number, "b": number % 3 + 1, "c": [32, None, [1, 2], "<b>"][number % 4]}
    values |= {"d": -7.0 * number, "e": 0.1 * (number % 4), "f": number / 10 - 1}
    return Trial(number, values, f"run-{number}", status, {1: 0.5}, score)


@pytest.mark.parametrize("count", [1, 5])
def test_the_report_is_one_page_that_needs_no_network(count: int) -> None:
    trials = [trial(number, 0.5 + number / 10) for number in range(1, 1 + count)]
    failed, diverged = trial(7, None, "failed"), trial(8, float("nan"))
    importances = dict.fromkeys(SPACES, 1 / len(SPACES)) if count > 1 else {}
    page = report("Sweep <x>", [*trials, failed, diverged], SPACES, "val_accuracy", "max", importances)
    assert "<h1>Sweep &lt;x&gt;</h1>" in page
    titles = re.findall("<h2>(.*?)</h2>", page)
    expected = ["History", "Parallel coordinates", "Importance of the settings", "Slices"]
    assert titles == (expected if importances else [*expected[:2], expected[3]])
    assert page.count("Plotly.newPlot(") == len(titles)
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", page)


class Points(NullTracker):
    def __init__(self) -> None:
        self.points: list[tuple[int, dict[str, float]]] = []

    def log(self, step: int, values: Any) -> None:
        self.points.append((step, dict(values)))


def test_the_best_value_so_far_is_a_curve() -> None:
    tracker = Points()
    watch = BestSoFar(tracker, "min")
    trials = [trial(0, 0.5), trial(1, 0.1, "running")]
    watch(trials)
    watch(trials)
    trials[1].status, trials[1].score = "stopped", 0.7
    watch(trials)
    watch([*trials, trial(2, None, "failed"), trial(3, 0.2)])
    assert tracker.points == [(1, {"sweep/best": 0.5}), (2, {"sweep/best": 0.5}), (4, {"sweep/best": 0.2})]
