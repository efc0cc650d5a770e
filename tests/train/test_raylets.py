"""Raylets that are added and go while a job trains on them: it grows and shrinks, and computes the bits of one that
nothing happens to."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train import job as job_module
from dist_bp.train.job import run_job
from tests.conftest import JobMaker
from tests.train.looking import points

pytestmark = pytest.mark.usefixtures("database")

ROOT = Path(__file__).parents[2]
STEPS = 480


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """Ray's sockets have long names, and those of Unix sockets end at 107 characters."""
    with tempfile.TemporaryDirectory(prefix="d") as folder:
        yield Path(folder)


def in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    def open_runtime(job: Any, warden: Any, pool: Any = None) -> ThreadRuntime:
        plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32))
        return ThreadRuntime(plan, job.metrics)

    monkeypatch.setattr(job_module, "open_runtime", open_runtime)


def test_a_run_grows_and_shrinks_with_its_raylets(
    make_job: JobMaker, short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One raylet, a second one, a worker of it killed, gone with its arena, a third one."""
    slow = {"type": "tests.runtime.layers:Slow", "seconds": 0.01}
    job = make_job(
        model={"layers": [{"type": "dense", "units": 16, "activation": "tanh"}, slow, {"type": "dense", "units": 4}]},
        train={"epochs": 60},
        scaling={"num_workers": 4, "min_workers": 1},
        ray={"address": "there"},
        failure={"max_failures": 9, "snapshot_seconds": 0.5},
        tracking={"every_steps": 1},
    )
    config, events = short_folder / "job.json", short_folder / "events.json"
    config.write_text(job.model_dump_json())
    happens = [(16, "add"), (56, "kill"), (96, "kill"), (136, "remove"), (256, "add"), (336, "remove")]
    events.write_text(json.dumps(happens))
    command = [sys.executable, "-m", "tests.train.raylets", str(config), str(events)]
    path = {"PYTHONPATH": str(ROOT), "RAY_TMPDIR": str(short_folder)}
    done = subprocess.run(command, env=os.environ | path, timeout=300, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    in_threads(monkeypatch)
    whole = run_job(job)
    assert found["left"] == 0
    assert [remedy for remedy, *_ in found["recoveries"]] == ["restart"] * 4, found["lines"]
    assert [redone for _, _, _, redone, _ in found["recoveries"][:2]] == [0, 0]  # each node has kept its memory
    assert found["sha256"] == whole.parameters_sha256
    assert found["metrics"] == whole.metrics
    formed = [line.partition(" from step ")[0] for line in found["lines"] if " from step " in line]
    assert formed == ["2 workers on 2 nodes", "1 worker on 1 node"] * 2
    for curve in ("step/loss", "epoch/val_loss"):
        assert points(found["run_id"], curve) == points(whole, curve)
    norms = [dict(points(run, "step/gradient_norm")) for run in (found["run_id"], whole)]
    assert norms[0] == pytest.approx(norms[1], rel=1e-6)
