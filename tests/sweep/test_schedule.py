"""Schedulers between Ray Tune and the decisions."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from dist_bp.sweep.checks import enough
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.schedule import CONTINUE, NO_NEWS, PAUSE, STOP, decides, make_scheduler
from dist_bp.sweep.trial import Trial
from dist_bp.train.setup import prepare_job
from dist_bp.tuning.schedulers.base import enough_epochs
from tests.conftest import JobMaker

EPOCHS = 8
SPACES = {"train.optimizer.learning_rate": {"type": "uniform", "low": 0.1, "high": 0.2}}


def sweep(make_job: JobMaker, scheduler: Any) -> SweepJob:
    settings = {"metric": "val_loss", "num_samples": 4, "scheduler": scheduler, "parameters": SPACES}
    train = {"epochs": EPOCHS, "optimizer": {"type": "sgd", "learning_rate": 0.1}}
    return replace(SweepJob.of(make_job(train=train, sweep=settings)), enough=3)


@pytest.mark.parametrize("scheduler", ["asha", "median", "pbt"])
def test_a_trial_without_news_goes_on(scheduler: str, make_job: JobMaker) -> None:
    made = make_scheduler(sweep(make_job, scheduler), SimpleNamespace(trials=[]))
    assert made.on_trial_result(None, SimpleNamespace(), dict(NO_NEWS)) == CONTINUE


@pytest.mark.parametrize(
    ("scheduler", "epochs"),
    [
        ("none", []),
        ({"type": "asha", "grace_period": 1, "reduction_factor": 2}, [1, 2, 4]),
        ({"type": "asha", "reduction_factor": 2}, [3, 6]),
        ("median", [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"type": "pbt", "perturbation_interval": 3}, [3, 6]),
    ],
    ids=["none", "asha", "asha of its own accord", "median", "pbt"],
)
def test_trials_wait_for_what_the_scheduler_decides(scheduler: Any, epochs: list[int], make_job: JobMaker) -> None:
    job = sweep(make_job, scheduler)
    assert [epoch for epoch in range(1, EPOCHS + 1) if decides(job, epoch)] == epochs


@pytest.mark.parametrize(
    ("scheduler", "gives_up"),
    [
        ({"type": "asha", "grace_period": 1, "reduction_factor": 2}, PAUSE),
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


@pytest.mark.parametrize(
    ("steps_per_epoch", "epochs", "grace"),
    [(20, 16, 5), (19, 16, 6), (100, 30, 2), (1000, 8, 1), (10, 400, 20), (6, 8, 4), (1, 1, 1)],
)
def test_a_first_rung_is_evidence(steps_per_epoch: int, epochs: int, grace: int) -> None:
    """At least 100 steps and a twentieth of all, but no more than half."""
    assert enough_epochs(steps_per_epoch, steps_per_epoch * epochs) == grace


def test_trials_with_the_largest_batch_have_their_evidence_too(make_job: JobMaker) -> None:
    job = sweep(make_job, "asha")
    base = prepare_job(job.base)
    assert (base.steps_per_epoch, enough(job, base)) == (8, 4)
    long = replace(job, config=make_job(train={"epochs": 80}))
    assert enough(long, prepare_job(long.base)) == 13  # of 8 steps
    batch = {"train.batch_size": {"type": "choice", "values": [32, 120]}}
    settings = {"metric": "val_loss", "scheduler": "asha", "parameters": batch}
    wide = SweepJob.of(make_job(train={"epochs": 80}, sweep=settings))
    assert enough(wide, prepare_job(wide.base)) == 40  # 100 steps are 50 of 2 steps: half of all
