"""What the tests of whole jobs share."""

import secrets
from typing import Any

import pytest

from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train import job as job_module
from tests.train.unsteady import Open, Unsteady


@pytest.fixture
def workers_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs with several workers run in this process, without Ray."""

    def open_runtime(job: Any, warden: Any, pool: Any = None) -> ThreadRuntime:
        plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32))
        return ThreadRuntime(plan, job.metrics)

    monkeypatch.setattr(job_module, "open_runtime", open_runtime)


@pytest.fixture
def lose(monkeypatch: pytest.MonkeyPatch) -> Open:
    """From now on jobs run in threads of this process, and lose these."""

    def lose(*losses: tuple[str, int], short: int = 0) -> None:
        def open_runtime(job: Any, warden: Any, pool: Any = None) -> ThreadRuntime:
            plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32))
            return Unsteady(plan, job.metrics, set(losses), short)

        monkeypatch.setattr(job_module, "open_runtime", open_runtime)

    return lose
