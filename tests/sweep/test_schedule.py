"""Schedulers between Ray Tune and the decisions."""

from types import SimpleNamespace
from typing import Any

import pytest

from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.schedule import CONTINUE, NO_NEWS, PAUSE, STOP, decides, make_scheduler
from dist_bp.sweep.trial import Trial
from tests.conftest import JobMaker

EPOCHS = 8
SPACES = {"train.optimizer.learning_rate": {"type": "uniform", "low": 0.1, "high": 0.2}}


def sweep(make_job: JobMaker, scheduler: Any) -> SweepJob:
    settings = {"metric": "val_loss", "num_samples": 4, "scheduler": scheduler, "parameters": SPACES}
    train = {"epochs": EPOCHS, "optimizer": {"type": "sgd", "learning_rate": 0.1}}
    return SweepJob.of(make_job(train=train, sweep=settings))


@pytest.mark.parametrize("scheduler", ["asha", "median", "pbt"])
def test_a_trial_without_news_goes_on(scheduler: str, make_job: JobMaker) -> None:
    made = make_scheduler(sweep(make_job, scheduler), SimpleNamespace(trials=[]))
    assert made.on_trial_result(None, SimpleNamespace(), dict(NO_NEWS)) == CONTINUE


@pytest.mark.parametrize(
    ("scheduler", "epochs"),
    [
        ("none", []),
        ({"type": "asha", "reduction_factor": 2}, [1, 2, 4]),
        ("median", [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"type": "pbt", "perturbation_interval": 3}, [3, 6]),
    ],
    ids=["none", "asha", "median", "pbt"],
)
def test_trials_wait_for_what_the_scheduler_decides(scheduler: Any, epochs: list[int], make_job: JobMaker) -> None:
    job = sweep(make_job, scheduler)
    assert [epoch for epoch in range(1, EPOCHS + 1) if decides(job, epoch)] == epochs


@pytest.mark.parametrize(
    ("scheduler", "gives_up"),
    [
        ({"type": "asha", "reduction_factor": 2}, PAUSE),
        ({"type": "median", "grace_period": 1, "min_samples_required": 1}, STOP),
    ],
    ids=["asha", "median"],
)
def test_a_trial_worse_than_those_of_an_earlier_process_does_not_go_on(
    scheduler: Any, gives_up: str, make_job: JobMaker
) -> None:
    trials = [Trial(0, {}, "earlier", curve={1: 0.3}), Trial(1, {}, "better"), Trial(2, {}, "worse")]
    study = SimpleNamespace(trials=trials, of=lambda run: next(trial for trial in trials if trial.run_id == run))
    made = make_scheduler(sweep(make_job, scheduler), study)
    assert made.on_trial_result(None, "better", {"epoch": 1, "val_loss": 0.2}) == CONTINUE
    assert made.on_trial_result(None, "worse", {"epoch": 1, "val_loss": 0.4}) == gives_up
