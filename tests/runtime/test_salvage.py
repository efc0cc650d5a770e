"""What is left of a lease that a loss cuts short on several nodes: all that each of them has."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import numpy as np
import pytest

from dist_bp.ps.serving import Serving
from dist_bp.runtime.failures import LOST, ProcessDied
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.setup import PreparedJob, prepare_job
from tests.conftest import JobMaker

LAST = 5


@contextmanager
def two_nodes(job: PreparedJob, one_round: bool) -> Iterator[ThreadRuntime]:
    """With a worker each."""
    secret = secrets.token_bytes(32)
    plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secret, (1, 1), one_round=one_round)
    with closing(ThreadRuntime(plan, job.metrics)) as runtime:
        runtime.start(job.initial)
        yield runtime


@pytest.mark.parametrize("one_round", [False, True], ids=["two rounds", "one round"])
def test_a_node_that_is_a_version_ahead_has_what_the_other_has(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch, one_round: bool
) -> None:
    """Worker 0 dies between its part of an update and telling that it is made: the other has that version already, and
    what it has computed for the next one."""
    job = prepare_job(make_job(scaling={"num_workers": 2}, metrics=["accuracy", "log_loss"]))
    commit = Serving.commit

    def commit_or_die(serving: Serving, version: int) -> None:
        if version > LAST and threading.current_thread().name.startswith("worker 0"):
            time.sleep(0.2)
            raise ProcessDied("worker 0 died: its process ended or was killed")
        commit(serving, version)

    with two_nodes(job, one_round) as undisturbed:
        wanted = undisturbed.train(0, LAST, 1.0, 1.0)
        expected = undisturbed.read()
    with two_nodes(job, one_round) as runtime:
        monkeypatch.setattr(Serving, "commit", commit_or_die)
        with pytest.raises(LOST):
            runtime.train(0, 20, 1.0, 1.0)
        salvaged = runtime.salvage()
    assert salvaged
    report, snapshot = salvaged
    assert snapshot.step == report.steps == LAST
    assert snapshot.parameters.tobytes() == expected.parameters.tobytes()
    assert snapshot.statistics.tobytes() == expected.statistics.tobytes()
    assert {name: array.tobytes() for name, array in snapshot.optimizer.items()} == {
        name: array.tobytes() for name, array in expected.optimizer.items()
    }
    for name in ("losses", "counts", "weights", "gradient_norms", "learning_rates"):
        np.testing.assert_array_equal(getattr(report, name), getattr(wanted, name))
    np.testing.assert_equal(report.metrics, wanted.metrics)
