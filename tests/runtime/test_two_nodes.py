"""Two Ray nodes of two workers compute what one node of four computes, to the bit; modes that depend on who is first
train, too."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.config import JobConfig
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.setup import prepare_job
from tests.conftest import JobMaker
from tests.runtime.two_raylets import STEPS

ROOT = Path(__file__).parents[2]
EXACT: dict[str, dict[str, Any]] = {
    "sync": {},
    "encrypted": {"encrypt": True},
    "local": {"mode": "local", "local_steps": 4},
}
"""On two workers of each node."""
OTHERS: dict[str, dict[str, Any]] = {
    "compressed": {"compression": "int8"},
    "ssp": {"mode": "ssp", "max_staleness": 2},
    "backup": {"mode": "backup", "backup_workers": 1},
    "async": {"mode": "async"},
}
"""On one worker of each node: processes take most of the time."""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Ray's sockets have long names, and those of Unix sockets end at 107 characters."""
    with tempfile.TemporaryDirectory(prefix="d") as folder:
        yield Path(folder)


def test_two_nodes_of_two_compute_what_one_of_four_computes(make_job: JobMaker, short_folder: Path) -> None:
    jobs = {
        name: make_job(scaling={"num_workers": workers, "placement": "spread"}, parameter_server=settings)
        for cases, workers in ((EXACT, 4), (OTHERS, 2))
        for name, settings in cases.items()
    }
    cases, out = short_folder / "cases.json", short_folder / "out.npz"
    cases.write_text(json.dumps({name: job.model_dump(mode="json") for name, job in jobs.items()}))
    command = [sys.executable, "-m", "tests.runtime.two_raylets", str(cases), str(out)]
    path = {"PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(short_folder)}
    done = subprocess.run(command, env=os.environ | path, timeout=300, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = dict(np.load(out))

    expected = {name: in_threads(jobs[name]) for name in ("sync", "local")}
    initial = prepare_job(jobs["sync"]).initial
    assert {name: found[f"{name}/placement"].tolist() for name in jobs} == {
        name: [job.scaling.num_workers // 2] * 2 for name, job in jobs.items()
    }
    for name, parameters in expected.items():
        assert found[name].tobytes() == parameters.tobytes()
    assert found["compressed"].tobytes() == in_threads(jobs["compressed"], (1, 1)).tobytes()
    assert found["sync"].tobytes() == found["encrypted"].tobytes()
    assert found["sync/bytes"] == 2 * STEPS * (expected["sync"].nbytes + initial.statistics.nbytes)
    assert found["compressed/bytes"] < 0.8 * found["sync/bytes"]
    for name in OTHERS:
        assert np.isfinite(found[name]).all()
        assert np.linalg.norm(found[name] - initial.parameters) > 0.1


def test_one_round_and_two_give_the_same_bits(make_job: JobMaker) -> None:
    config = make_job(scaling={"num_workers": 2})
    found = {one: in_threads(config, (1, 1), one).tobytes() for one in (None, True, False)}
    assert len(set(found.values())) == 1


def in_threads(config: JobConfig, placement: tuple[int, ...] = (), one_round: bool | None = None) -> Any:
    """The parameters that the workers reach as threads, on one node or as many as they are placed on."""
    job = prepare_job(config)
    folder, secret = job.prepared.directory.resolve(), secrets.token_bytes(32)
    plan = RunPlan(job.config, folder, job.total_steps, secret, placement, one_round=one_round)
    with ThreadRuntime(plan, job.metrics) as runtime:
        runtime.start(job.initial)
        runtime.train(0, STEPS, 1.0, 10.0)
        return runtime.read().parameters


@pytest.mark.parametrize("one_round", [True, False])
def test_gradient_norms_are_those_of_one_node(one_round: bool, make_job: JobMaker) -> None:
    job = prepare_job(make_job(scaling={"num_workers": 2}))
    norms = []
    for placement in ((2,), (1, 1)):
        secret = secrets.token_bytes(32)
        plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secret, placement)
        with ThreadRuntime(replace(plan, one_round=one_round), job.metrics) as runtime:
            runtime.start(job.initial)
            norms.append(runtime.train(0, STEPS, 1.0, 10.0).gradient_norms)
    np.testing.assert_allclose(norms[0], norms[1], rtol=1e-6)
