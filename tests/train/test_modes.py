"""Whole jobs in every mode of consistency: they learn what `sync` learns, and go on where they were broken off."""

import secrets
import sqlite3
import time
from typing import Any

import pytest

from dist_bp.ps.worker import Worker
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train import job as job_module
from dist_bp.train.job import run_job

MODES: list[dict[str, Any]] = [
    {"mode": "backup", "backup_workers": 1},
    {"mode": "ssp", "max_staleness": 3},
    {"mode": "async"},
    {"mode": "local", "local_steps": 8},
    {"mode": "local", "local_steps": 4, "outer_momentum": 0.3},
]


@pytest.fixture
def _workers_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_runtime(job: Any, warden: Any) -> ThreadRuntime:
        plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32))
        return ThreadRuntime(plan, job.metrics)

    monkeypatch.setattr(job_module, "open_runtime", open_runtime)


def digits(make_job: Any, **sections: Any) -> Any:
    base: dict[str, Any] = {
        "data": {
            "source": {"type": "sklearn", "name": "digits"},
            "split": {"validation": 0.1, "test": 0.3},
            "preprocess": [{"type": "standardize"}],
        },
        "model": {"layers": [{"type": "dense", "units": 64, "activation": "relu"}, {"type": "dense", "units": 10}]},
        "train": {"epochs": 20, "optimizer": {"type": "adam", "learning_rate": 3e-3}},
        "scaling": {"num_workers": 2},
        "tracking": {"log_model": False},
    }
    return make_job(**(base | sections))


@pytest.mark.usefixtures("_workers_in_threads")
def test_every_mode_reaches_the_accuracy_of_sync_on_digits(make_job: Any) -> None:
    wanted = run_job(digits(make_job)).metrics["test_accuracy"]
    assert wanted > 0.95
    for mode in MODES:
        reached = run_job(digits(make_job, parameter_server=mode)).metrics["test_accuracy"]
        assert reached >= wanted - 0.01, mode


@pytest.mark.usefixtures("_workers_in_threads")
def test_local_resumes_to_the_same_bits(make_job: Any) -> None:
    """Epochs of 18 steps are no multiple of the 8 local steps: rounds are cut at the same steps all the same."""
    local = {"mode": "local", "local_steps": 8, "outer_momentum": 0.3}
    train = {"optimizer": {"type": "adam", "learning_rate": 3e-3}}
    whole = run_job(digits(make_job, parameter_server=local, train=train | {"epochs": 4}))
    half = run_job(digits(make_job, parameter_server=local, train=train | {"epochs": 2}))
    resumed = run_job(digits(make_job, parameter_server=local, train=train | {"epochs": 4}), resume=half.run_id)
    assert resumed.steps == whole.steps
    assert resumed.parameters_sha256 == whole.parameters_sha256


@pytest.mark.usefixtures("_workers_in_threads")
def test_what_a_mode_lets_happen_is_in_the_runs_metrics(make_job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compute = Worker.compute

    def late(worker: Any, *arguments: Any, **options: Any) -> None:
        time.sleep(0.02 * (worker.rank == 0))
        compute(worker, *arguments, **options)

    monkeypatch.setattr(Worker, "compute", late)
    train = {"epochs": 1, "optimizer": {"type": "adam", "learning_rate": 3e-3}}
    found = {}
    for mode in MODES[:3]:
        run = run_job(digits(make_job, parameter_server=mode, train=train))
        with sqlite3.connect("mlflow.db") as database:
            rows = database.execute("select key, value from metrics where run_uuid = ?", (run.run_id,)).fetchall()
        found[mode["mode"]] = dict(rows)
    assert found["backup"]["system/dropped_gradients"] > 0
    assert 0 < found["ssp"]["system/largest_staleness"] <= 3
    assert found["async"]["system/largest_staleness"] >= 1
