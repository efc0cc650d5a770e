"""What ends a whole job in this process, and which of its epochs is kept."""

import json
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from dist_bp.errors import TrainingFailed
from dist_bp.metrics import Metric
from dist_bp.ps.arena import Snapshot
from dist_bp.ps.bringup import Call
from dist_bp.runtime import formation, threads
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train import due
from dist_bp.train.describe import Report
from dist_bp.train.job import run_job
from dist_bp.train.outcome import Outcome
from dist_bp.train.publish import pictures_of
from dist_bp.train.setup import prepare_job
from dist_bp.train.state import RunState
from tests.commands import run_here
from tests.conftest import JobMaker
from tests.database import rows
from tests.train.looking import points, recorded

T = TypeVar("T")

pytestmark = pytest.mark.usefixtures("database")


@pytest.mark.parametrize(("method", "call", "told"), [("run", 15, "after step 14"), ("evaluate", 2, "after step 16")])
def test_ray_that_is_lost_in_a_long_step_or_validation_leaves_a_checkpoint(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch, method: str, call: int, told: str
) -> None:
    config = make_job(train={"epochs": 3}, checkpoint={"every_epochs": None})
    monkeypatch.setattr(due, "LEASE_SECONDS", 0.0)
    whole = run_job(config)
    with monkeypatch.context() as patched:
        patched.setattr(formation, "GRACE_SECONDS", 1.0)
        patched.setattr(threads, "ThreadRuntime", partial(LosesRay, method=method, call=call))
        with pytest.raises(
            RayLost, match=rf"^Ray's GCS was killed\. Ended {told}: checkpoint saved; go on with resume="
        ):
            run_job(config)
    resumed = run_job(config, resume="auto")
    assert resumed.parameters_sha256 == whole.parameters_sha256
    assert resumed.metrics == whole.metrics
    for curve in ("epoch/train_loss", "epoch/val_loss"):
        assert points(resumed, curve) == points(whole, curve)


class LosesRay(ThreadRuntime):
    """Ray ends as a worker is called for the `call`th time, which is begun only when all that can be saved is read."""

    def __init__(self, plan: RunPlan, metrics: Mapping[str, Metric], method: str, call: int) -> None:
        self._ends: Future[str] = Future()
        super().__init__(plan, metrics, self._ends)
        self._method, self._left = method, call
        self._held: Call[Any] | None = None

    def submit(self, asked: Call[T]) -> Future[T]:
        if (asked.peer.role, asked.method) == ("worker", self._method):
            self._left -= 1
            if self._left == 0:
                self._ends.set_result("Ray's GCS was killed")
                self._held = asked
                return Future()
        return super().submit(asked)

    def read(self) -> Snapshot:
        snapshot = super().read()
        held, self._held = self._held, None
        if held:
            super().submit(held)
        return snapshot


def test_the_best_epoch_is_marked_though_max_steps_end_within_it(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 3, "stop": {"max_steps": 20}})
    state = RunState(prepare_job(config))
    for step in (8, 16, 20):
        state.step = step
        state.measured({"train_loss": 1.0})
    for row in state.history:
        state.best = replace(state.job.initial, step=int(row["step"]))
        [picture] = pictures_of(Outcome("", state, state.best, Path()), Report({}, {})).values()
        assert (picture.arguments["best_epoch"], picture.arguments["per"]) == (row["epoch"], "sample")


def test_the_best_epoch_is_given_back(make_job: JobMaker) -> None:
    config = make_job(
        train={"epochs": 60, "optimizer": {"type": "adam", "learning_rate": 0.05}, "stop": {"patience": 3}}
    )
    result = run_job(config)
    assert result.reason == "no improvement for 3 epochs"
    assert result.best_step is not None
    assert result.best_step == result.steps - 3 * 8
    losses = dict(points(result, "epoch/val_loss"))
    assert result.metrics["val_loss"] == pytest.approx(min(losses.values()), rel=1e-6)
    assert list(losses) == list(range(8, result.steps + 1, 8))
    assert losses[result.steps] > result.metrics["val_loss"]
    other = run_job(make_job(train={"epochs": 1}))
    told = result.metrics
    assert told.items() <= recorded(result.run_id).data.metrics.items()
    listed, compared, best = (
        json.loads(run_here("runs", *arguments, "--json").stdout)
        for arguments in (["list"], ["compare", result.run_id, other.run_id], ["best", "--metric", "val_loss"])
    )
    assert told.items() <= next(run for run in listed["runs"] if run["run_id"] == result.run_id)["metrics"].items()
    assert told == {name: compared["metrics"][name][0] for name in told}
    assert best["value"] == result.metrics["val_loss"]


@pytest.mark.parametrize(
    ("train", "reason", "steps"),
    [
        ({"stop": {"max_steps": 5}}, "max_steps reached", 5),
        ({"epochs": 50, "stop": {"monitor": "val_accuracy", "target": 0.5}}, "target 0.5 reached", None),
        ({"epochs": 100_000, "stop": {"max_seconds": 0.5}}, "max_seconds reached", None),
        ({"epochs": 2}, "all epochs done", 16),
    ],
)
def test_what_ends_training(make_job: JobMaker, train: dict[str, Any], reason: str, steps: int | None) -> None:
    result = run_job(make_job(train=train))
    assert result.reason == reason
    assert steps in (None, result.steps)
    assert result.seconds < 10


def test_a_diverging_run_stops_with_the_step_and_stays_finite(make_job: JobMaker) -> None:
    config = make_job(
        train={"optimizer": {"type": "sgd", "learning_rate": 1e30}},
        model={"layers": [{"type": "dense", "units": 4}] * 3},
    )
    with pytest.raises(TrainingFailed, match=r"NaN or infinite at step \d+.*not applied.*learning_rate"):
        run_job(config)
    assert rows("select status from runs") == [("FAILED",)]
