"""Schedulers between Ray Tune and the decisions."""

from types import SimpleNamespace

import pytest

from dist_bp.sweep.schedule import CONTINUE, NO_NEWS, make_scheduler
from tests.conftest import JobMaker


@pytest.mark.parametrize("scheduler", ["none", "asha", "median", "pbt"])
def test_a_trial_without_news_goes_on(scheduler: str, make_job: JobMaker) -> None:
    spaces = {"train.optimizer.learning_rate": {"type": "uniform", "low": 0.1, "high": 0.2}}
    job = make_job(sweep={"metric": "val_loss", "num_samples": 4, "scheduler": scheduler, "parameters": spaces})
    made = make_scheduler(job, SimpleNamespace(trials=[]))
    trial = SimpleNamespace()
    assert made.on_trial_result(None, trial, dict(NO_NEWS)) == CONTINUE
