"""Processes that are objects here, each with a thread of its own: what one does keeps no other waiting."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from dist_bp.nn import Backward, Context, Views
from dist_bp.ps.doorbell import PeerLost
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.setup import prepare_job
from dist_bp.types import Array
from tests.conftest import JobMaker
from tests.runtime.layers import Failing
from tests.runtime.test_ray_runtime import plan_of

GOES_ON = threading.Event()
WENT_ON: list[bool] = []


class Hanging(Failing):
    """A dense layer of 4 units that hangs at step 3, on the worker that has the first group, until the test says."""

    def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
        if ctx.step == 3 and ctx.groups[0].index == 0:
            WENT_ON.append(GOES_ON.wait(20))
        return self._dense.forward(x, params, ctx)


def test_a_call_that_hangs_keeps_nobody_from_being_formed_anew(make_job: JobMaker) -> None:
    layers = [{"type": "tests.runtime.test_threads:Hanging"}]
    server = {"timeout_seconds": 1}
    job = prepare_job(make_job(model={"layers": layers}, scaling={"num_workers": 2}, parameter_server=server))
    with ThreadRuntime(plan_of(job), job.metrics) as runtime:
        runtime.start(job.initial)
        with pytest.raises((ProcessDied, PeerLost)):
            runtime.train(0, 8, 1.0, 0.1)
        runtime.reform(job.initial)
        report = runtime.train(0, 2, 1.0, 10.0)
        hangs = not WENT_ON
        GOES_ON.set()
    assert report.steps == 2
    assert hangs


@pytest.mark.parametrize(
    ("server", "seconds", "placement", "processes", "servers"),
    [
        ({"mode": "local", "local_steps": 7}, 0.2, (2, 2), (2, 1), 0),
        ({"mode": "sync"}, 0.7, (1, 3), (1, 1), 0),
        ({"mode": "local", "local_steps": 7}, 0.2, (1, 3), (1, 1), 1),
    ],
    ids=["local", "sync", "servers"],
)
def test_a_node_whose_only_worker_computes_several_shares_is_waited_for(
    server: dict[str, Any],
    seconds: float,
    placement: tuple[int, ...],
    processes: tuple[int, ...],
    servers: int,
    make_job: JobMaker,
) -> None:
    """For longer than a process may be silent, also by a worker that has no counterpart there."""
    layers = [{"type": "tests.runtime.layers:Slow", "seconds": seconds}]
    server = {"timeout_seconds": 1.2, **server}
    scaling = {"num_workers": 4, "servers_per_node": servers or "auto"}
    job = prepare_job(make_job(model={"layers": layers}, scaling=scaling, parameter_server=server))
    plan = replace(plan_of(job), placement=placement, processes=processes)
    with ThreadRuntime(plan, job.metrics) as runtime:
        runtime.start(job.initial)
        assert runtime.train(0, plan.mode.steps, 1.0, 0.0).steps == plan.mode.steps
