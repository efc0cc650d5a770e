"""Whole jobs in every mode of consistency: they learn what `sync` learns, and go on where they were broken off."""

import math
import time
from typing import Any

import pytest

from dist_bp.ps.computing import Computing
from dist_bp.train.job import run_job
from tests.database import rows

MODES: list[dict[str, Any]] = [
    {"mode": "backup", "backup_workers": 1},
    {"mode": "ssp", "max_staleness": 3},
    {"mode": "async"},
    {"mode": "local", "local_steps": 8},
    {"mode": "local", "local_steps": 4, "outer_momentum": 0.3},
    {"mode": "diloco", "local_steps": 3},
]


pytestmark = pytest.mark.usefixtures("workers_in_threads", "database")
named = pytest.mark.parametrize("mode", MODES, ids=lambda mode: "-".join(map(str, mode.values())))


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


SYNC = 0.9648
"""What `sync` reaches, the same at every run."""


def test_sync_on_digits(make_job: Any) -> None:
    assert run_job(digits(make_job)).metrics["test_accuracy"] == pytest.approx(SYNC, abs=0.002)


@named
def test_every_mode_reaches_the_accuracy_of_sync_on_digits(mode: dict[str, Any], make_job: Any) -> None:
    assert run_job(digits(make_job, parameter_server=mode)).metrics["test_accuracy"] >= SYNC - 0.01


@pytest.mark.parametrize("servers", ["auto", 1])
def test_a_round_may_take_longer_than_a_step_is_waited_for(servers: str | int, make_job: Any) -> None:
    """Whoever is waited for makes steps meanwhile."""
    slow = {"type": "tests.runtime.layers:Slow", "seconds": 0.2, "group": 2}
    outcome = run_job(
        make_job(
            model={"layers": [slow]},
            train={"epochs": 1, "batch_size": 32, "group_size": 8},
            scaling={"num_workers": 2, "servers_per_node": servers},
            parameter_server={"mode": "diloco", "timeout_seconds": 1},
        )
    )
    assert (outcome.steps, len(outcome.recoveries)) == (8, 0)


@pytest.mark.parametrize(
    "section", [{"checkpoint": {"every_steps": 5}}, {"train": {"epochs": 2, "stop": {"max_seconds": 1000}}}]
)
def test_what_else_is_to_be_done_cuts_no_round(section: dict[str, Any], make_job: Any) -> None:
    """Checkpoints are of the ends of rounds."""
    base: dict[str, Any] = {"train": {"epochs": 2}, "parameter_server": {"mode": "diloco", "local_steps": 7}}
    whole, other = (run_job(digits(make_job, **sections)) for sections in (base, base | section))
    assert other.parameters_sha256 == whole.parameters_sha256


def test_diloco_is_local_with_the_values_of_its_paper(make_job: Any) -> None:
    train = {"epochs": 2, "optimizer": {"type": "adamw", "learning_rate": 1e-3}}
    local = {"mode": "local", "local_steps": 500} | {"outer_learning_rate": 0.7, "outer_momentum": 0.9}
    runs = [
        run_job(digits(make_job, train=train, parameter_server=settings))
        for settings in ({"mode": "diloco"}, local | {"outer_nesterov": True}, local)
    ]
    diloco, spelled, plain = (run.parameters_sha256 for run in runs)
    assert diloco == spelled != plain


def test_local_resumes_to_the_same_bits(make_job: Any) -> None:
    """Epochs of 18 steps are no multiple of the 8 local steps: rounds are cut at the same steps all the same."""
    local = {"mode": "local", "local_steps": 8, "outer_momentum": 0.3}
    train = {"optimizer": {"type": "adam", "learning_rate": 3e-3}}
    whole = run_job(digits(make_job, parameter_server=local, train=train | {"epochs": 4}))
    half = run_job(digits(make_job, parameter_server=local, train=train | {"epochs": 2}))
    resumed = run_job(digits(make_job, parameter_server=local, train=train | {"epochs": 4}), resume=half.run_id)
    assert resumed.steps == whole.steps
    assert resumed.parameters_sha256 == whole.parameters_sha256


@pytest.mark.parametrize(
    ("mode", "metric", "least", "most"),
    [
        (MODES[0], "system/dropped_gradients", 1, math.inf),
        (MODES[1], "system/largest_staleness", 1, 3),
        (MODES[2], "system/largest_staleness", 1, math.inf),
    ],
    ids=["backup", "ssp", "async"],
)
def test_what_a_mode_lets_happen_is_in_the_runs_metrics(
    mode: dict[str, Any], metric: str, least: float, most: float, make_job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = Computing.gradient_from

    def late(computing: Any, weights: Any, step: int, share: int, place: tuple[int, int], metrics: Any) -> None:
        time.sleep(0.02 * (place[0] == 0))
        compute(computing, weights, step, share, place, metrics)

    monkeypatch.setattr(Computing, "gradient_from", late)
    train = {"epochs": 1, "optimizer": {"type": "adam", "learning_rate": 3e-3}}
    run = run_job(digits(make_job, parameter_server=mode, train=train))
    ((found,),) = rows("select value from metrics where run_uuid = ? and key = ?", run.run_id, metric)
    assert least <= found <= most
