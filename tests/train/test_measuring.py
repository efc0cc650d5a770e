"""What an epoch measures has the same bits wherever leases end: the clock decides that, faults and checkpoints do."""

import numpy as np
import pytest

from dist_bp.config import JobConfig
from dist_bp.errors import Interrupted
from dist_bp.train import due
from dist_bp.train.job import run_job
from dist_bp.train.observer import Progress
from dist_bp.train.result import Result
from tests.conftest import JobMaker
from tests.train.looking import StopAfter, points
from tests.train.unsteady import Open

pytestmark = pytest.mark.usefixtures("database")

MEASURED = ("train_loss", "train_mae", "train_r2")


def regression(make_job: JobMaker, every_steps: int | None = None) -> JobConfig:
    """Losses, weights and metrics that are no whole numbers, over 13 steps an epoch of two shares."""
    generator = np.random.default_rng(7)
    inputs = generator.normal(size=(400, 6))
    targets = inputs @ generator.normal(size=6) + generator.normal(size=400)
    np.savez("numbers.npz", x=inputs, y=targets)
    return make_job(
        data={"source": {"type": "npz", "path": "numbers.npz"}, "split": {"validation": 0, "test": 0}},
        model={"layers": [{"type": "dense", "units": 1}], "dtype": "float64"},
        loss={"type": "mse"},
        metrics=["mae", "r2"],
        train={"epochs": 3, "optimizer": {"type": "sgd", "learning_rate": 0.01}, "stop": {"monitor": "train_loss"}},
        checkpoint={"monitor": "train_loss", "every_epochs": None, "every_steps": every_steps},
        scaling={"num_workers": 2},
    )


def measured(run: Result | str) -> dict[str, list[str]]:
    """By metric the bits of its values, epoch by epoch."""
    return {name: [value.hex() for _, value in points(run, f"epoch/{name}")] for name in MEASURED}


class StopAtStep(StopAfter):
    """Asks for it in the middle of an epoch."""

    def progress(self, progress: Progress) -> None:
        if progress.step >= 20:
            self.stop()


@pytest.mark.usefixtures("workers_in_threads")
@pytest.mark.parametrize("seconds", [1e-9, 2e-3])
def test_it_does_not_depend_on_the_length_of_leases(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    monkeypatch.setattr(due, "LEASE_SECONDS", 1e9)
    whole = measured(run_job(regression(make_job)))
    assert [len(found) for found in whole.values()] == [3, 3, 3]
    monkeypatch.setattr(due, "LEASE_SECONDS", seconds)
    assert measured(run_job(regression(make_job))) == whole


@pytest.mark.usefixtures("workers_in_threads")
def test_a_run_that_is_resumed_in_an_epoch_has_measured_the_same(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measured(run_job(regression(make_job)))
    monkeypatch.setattr(due, "LEASE_SECONDS", 1e-9)
    with pytest.raises(Interrupted):
        run_job(regression(make_job), observer=StopAtStep(0, monkeypatch))
    assert measured(run_job(regression(make_job), resume="auto")) == whole


def test_a_run_that_is_formed_anew_has_measured_the_same(make_job: JobMaker, lose: Open) -> None:
    lose()
    whole = measured(run_job(regression(make_job)))
    lose(("train", 3), ("train", 5))
    result = run_job(regression(make_job, every_steps=5))
    assert [one.remedy for one in result.recoveries] == ["restart"] * 2
    assert measured(result) == whole
