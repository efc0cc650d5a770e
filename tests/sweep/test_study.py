"""How a sweep is: running until all is over, or until something ends it."""

from dataclasses import replace
from pathlib import Path

import pytest
from ray.tune.search import Searcher

from dist_bp.config.sweep import SweepConfig
from dist_bp.errors import ConfigError, TrackingError, UserError
from dist_bp.sweep import new_runs, study
from dist_bp.sweep.callbacks import Proposals
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.journal import Journal
from dist_bp.sweep.new_runs import NewRuns
from dist_bp.sweep.search import Search
from dist_bp.sweep.study import Outside, Study, SweepState
from dist_bp.sweep.trial import Status, Trial
from tests.conftest import JobMaker

SWEEP = {"num_samples": 3, "parameters": {"seed": {"type": "choice", "values": [1, 2]}}}


def study_of(folder: Path, statuses: list[Status], interrupted: bool = False) -> Study:
    trials = [Trial(number, {"seed": 1}, f"run-{number}", status) for number, status in enumerate(statuses)]
    search = Search(SweepConfig.model_validate(SWEEP), 0)
    outside = Outside(str, lambda trials: None, print, lambda: interrupted)
    return Study(search, Journal(folder), outside, None, 1, trials)


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        ([], SweepState.RUNNING),
        (["finished", "failed"], SweepState.RUNNING),
        (["finished", "stopped", "paused"], SweepState.RUNNING),
        (["finished", "stopped", "failed"], SweepState.COMPLETED),
        (["failed", "failed"], SweepState.FAILED),
    ],
)
def test_the_trials_tell_how_a_sweep_is(tmp_path: Path, statuses: list[Status], state: SweepState) -> None:
    study = study_of(tmp_path, statuses)
    assert study.state is state
    assert study.ended_early is (state is SweepState.FAILED)


def test_all_trials_failed_is_no_success_however_many_may(tmp_path: Path) -> None:
    study = study_of(tmp_path, ["failed"] * 3)
    study.max_failures = 5
    assert study.state is SweepState.FAILED


def test_what_ends_a_sweep_from_outside_comes_first(tmp_path: Path) -> None:
    study = study_of(tmp_path, ["failed", "failed"])
    study.error = UserError("a condition failed")
    assert study.state is SweepState.BROKEN
    assert study_of(tmp_path, ["failed", "failed"], interrupted=True).state is SweepState.INTERRUPTED


def test_what_ran_here_is_told_from_what_had_ended_before(tmp_path: Path) -> None:
    study = study_of(tmp_path, ["finished", "waiting"])
    study.set(study.trials[1], "failed")
    assert [trial.number for trial in study.ran] == [1]


def test_a_job_without_a_sweep_is_told_what_is_missing(make_job: JobMaker) -> None:
    with pytest.raises(ConfigError, match=r"has no sweep section: say what to vary in sweep\.parameters"):
        SweepJob.of(make_job())


class Store:
    """Fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def new_run(self, number: int) -> str:
        self.failures -= 1
        if self.failures >= 0:
            raise TrackingError("the store does not answer")
        return f"run-{number}"


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_runs, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(study, "PAUSE_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_a_short_outage_of_the_store_delays_new_trials_alone(tmp_path: Path) -> None:
    told: list[str] = []
    swept = study_of(tmp_path, [])
    swept.outside = replace(swept.outside, new_run=NewRuns(Store(2).new_run, told.append))
    proposals = Proposals(swept, lambda trial: {"run": trial.run_id})
    assert [proposals.suggest("x") for _ in range(3)] == [None, None, {"trial": {"run": "run-0"}}]
    assert swept.state is SweepState.RUNNING
    assert told == ["the store does not answer; new trials wait for it, for 600 s at most"]
    swept.outside = replace(swept.outside, new_run=NewRuns(Store(2).new_run, told.append))
    assert [trial.run_id for trial in swept.population()] == ["run-0", "run-1", "run-2"]


@pytest.mark.usefixtures("at_once")
def test_a_long_outage_of_the_store_ends_the_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_runs, "STORE_SECONDS", 0.0)
    swept = study_of(tmp_path, [])
    swept.outside = replace(swept.outside, new_run=NewRuns(Store(9).new_run, print))
    proposals = Proposals(swept, lambda trial: {})
    assert [proposals.suggest("x") for _ in range(2)] == [None, Searcher.FINISHED]
    assert (swept.state, str(swept.error)) == (SweepState.BROKEN, "the store does not answer")


def test_an_epoch_that_is_computed_again_after_a_kill_is_journaled_once(tmp_path: Path) -> None:
    study = study_of(tmp_path, ["running"])
    for value in (0.5, 0.5, 0.25):
        study.observe(study.trials[0], 2, value, value, {}, 1.0)
    told = [line for line in study.journal.path.read_text().splitlines() if '"epoch"' in line]
    assert len(told) == 2
