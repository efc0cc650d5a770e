"""Workers die and hang in the middle of a training on Ray, which computes the bits of one that nothing happens to."""

import itertools
import os
import random
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from dist_bp import processes
from dist_bp.ps.arena import Snapshot
from dist_bp.ps.doorbell import Peer
from dist_bp.ps.lease import Evaluation, MetricStates
from dist_bp.runtime import workforce
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.setup import PreparedJob, prepare_job
from tests.conftest import JobMaker, shared_memory_files
from tests.runtime.test_ray_runtime import plan_of

STEPS = 600
LEASE = 150
ENDS = {signal.SIGKILL: "its process ended or was killed", signal.SIGSTOP: "did not answer for "}
SEEDS = itertools.count()


@dataclass
class Trained:
    """What a training has come to, and what happened meanwhile."""

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)
    metrics: dict[int, MetricStates] = field(default_factory=dict)
    """Of each share, as those of an epoch: each lease goes on from those before."""
    lost: list[tuple[Peer, str]] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    """Seconds of the leases in which somebody was lost."""
    returned: list[Peer] = field(default_factory=list)


def train(runtime: Runtime, job: PreparedJob, faults: Any = None) -> tuple[Snapshot, Trained, Evaluation]:
    """Lease after lease to the end; `faults` is told of each that begins."""
    seen, step = Trained(), 0
    with runtime:
        runtime.start(job.initial)
        while step < STEPS:
            if faults:
                faults(runtime, step)
            began = time.monotonic()
            report = runtime.train(step, min(step + LEASE, STEPS), 1.0, 0.2, seen.metrics)
            lost = runtime.losses()
            if lost:
                seen.gaps.append(time.monotonic() - began)
            seen.returned += runtime.returns()
            runtime.replace(lost)
            seen.lost += lost.items()
            step += report.steps
            seen.losses += report.losses.tolist()
            seen.norms += report.gradient_norms.tolist()
            seen.metrics |= report.metrics
        evaluation = runtime.evaluate("validation")
        return runtime.read(), seen, evaluation


MODES = {"sync": {"mode": "sync"}, "local": {"mode": "local", "local_steps": 5}}


@pytest.fixture(params=MODES)
def job(make_job: JobMaker, request: pytest.FixtureRequest) -> PreparedJob:
    return job_of(make_job, request.param)


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    return {}


@pytest.fixture
def whole(known: dict[str, Any], job: PreparedJob) -> Any:
    """What the training of the job comes to that nothing happens to."""
    mode = job.config.parameter_server.mode
    if mode not in known:
        known[mode] = train(ThreadRuntime(plan_of(job), job.metrics), job)
    return known[mode]


@pytest.fixture
def in_sync(make_job: JobMaker) -> PreparedJob:
    return job_of(make_job, "sync")


def job_of(make_job: JobMaker, mode: str) -> PreparedJob:
    layers = [
        {"type": "dense", "units": 300},
        {"type": "batch_norm"},
        {"type": "dropout", "rate": 0.2},
        {"type": "dense", "units": 200, "activation": "relu"},
        {"type": "dense", "units": 4},
    ]
    train = {"epochs": 1000, "optimizer": {"type": "adam", "learning_rate": 1e-3}, "clip_norm": 1.0}
    return prepare_job(
        make_job(
            model={"layers": layers},
            train=train,
            metrics=["accuracy", "f1_macro"],
            scaling={"num_workers": 3, "min_workers": 1},
            parameter_server=MODES[mode],
            failure={"hang_seconds": 2},
        )
    )


class Faults:
    """At drawn moments of the leases that begin at these steps a drawn worker gets a signal, or all of them."""

    def __init__(self, plan: dict[int, signal.Signals], everybody: bool = False) -> None:
        self.seed = next(SEEDS)
        print(f"seed {self.seed}")  # shown where the test fails
        self._random = random.Random(self.seed)
        self._plan = plan
        self._everybody = everybody

    def __call__(self, runtime: RayRuntime, step: int) -> None:
        due = [at for at in self._plan if at <= step and runtime.workers]
        for at in due:
            try:
                pids = [*runtime.pids(runtime.workers).values()]
            except ProcessDied:  # one of before a moment ago: it is lost first
                return
            number = self._plan.pop(at)
            chosen = pids if self._everybody else [self._random.choice(pids)]
            for pid in chosen:
                threading.Timer(self._random.uniform(0, 0.15), signal_to, (pid, number)).start()


def signal_to(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):  # it was lost before
        os.kill(pid, number)


def assert_same(disturbed: Any, whole: Any) -> None:
    (one, seen, measured), (other, expected, all_measured) = disturbed, whole
    assert one.step == other.step == STEPS
    assert one.parameters.tobytes() == other.parameters.tobytes()
    assert one.statistics.tobytes() == other.statistics.tobytes()
    for name, array in other.optimizer.items():
        assert one.optimizer[name].tobytes() == array.tobytes()
    assert seen.losses == expected.losses
    np.testing.assert_allclose(seen.norms, expected.norms, rtol=1e-12)
    np.testing.assert_equal(seen.metrics, expected.metrics)
    assert (measured.loss, measured.weight) == (all_measured.loss, all_measured.weight)


def test_workers_that_die_or_hang_change_no_bit(ray_cluster: Cluster, pool: Pool, job: PreparedJob, whole: Any) -> None:
    """Three of each at drawn moments; the survivors go on at once, and others take the places of the lost."""
    before = shared_memory_files()
    for number, why in ENDS.items():
        faults = Faults(dict.fromkeys((0, 150, 300), number))
        disturbed = train(RayRuntime(plan_of(job), job.metrics, ray_cluster, pool), job, faults)
        seen = disturbed[1]
        # On a machine that is busy with other things one that is slow may be taken for one that hangs, too.
        assert len(seen.lost) >= 3
        assert sum(reason.startswith(why) for _, reason in seen.lost) >= 2
        assert seen.returned
        assert_same(disturbed, whole)
    assert shared_memory_files() <= before


def test_all_workers_may_die_or_hang_at_once(ray_cluster: Cluster, pool: Pool, job: PreparedJob, whole: Any) -> None:
    """Three times, at drawn moments; what they had made is in the memory that the keeper holds."""
    faults = Faults({0: signal.SIGKILL, 150: signal.SIGSTOP, 300: signal.SIGKILL}, everybody=True)
    disturbed = train(RayRuntime(plan_of(job), job.metrics, ray_cluster, pool), job, faults)
    assert len(disturbed[1].lost) > 3
    assert_same(disturbed, whole)


@pytest.mark.parametrize("stopped", [(0,), (0, 1)], ids=["the only one", "all"])
def test_workers_that_hang_are_found_by_their_progress(
    stopped: tuple[int, ...], ray_cluster: Cluster, pool: Pool, make_job: JobMaker
) -> None:
    """Though nobody waits for them, and the lease is expected to take a minute."""
    scaling, endless = {"num_workers": len(stopped)}, {"epochs": 1_000_000}
    job = prepare_job(make_job(scaling=scaling, train=endless, failure={"hang_seconds": 1}))
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        for pid in (runtime.pids()[runtime.workers[rank]] for rank in stopped):
            threading.Timer(0.3, os.kill, (pid, signal.SIGSTOP)).start()
        began = time.monotonic()
        step = runtime.train(0, 30_000, 1.0, 60.0).steps
        assert time.monotonic() - began < 20
        lost = runtime.losses()
        assert lost.keys() == {Peer("worker", rank) for rank in stopped}
        runtime.replace(lost)
        while not runtime.train(step, step + 1, 1.0, 1.0).steps:  # it waits a moment only
            assert time.monotonic() - began < 60


def test_a_round_of_many_steps_is_no_hang(ray_cluster: Cluster, pool: Pool, make_job: JobMaker) -> None:
    """Whatever is known of its time: workers show that they make steps of it."""
    job = prepare_job(
        make_job(
            model={"layers": [{"type": "tests.runtime.layers:Slow", "seconds": 0.2, "group": 2}]},
            scaling={"num_workers": 2},
            parameter_server={"mode": "local", "local_steps": 8},
            failure={"hang_seconds": 1},
        )
    )
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        assert runtime.train(0, 8, 1.0, 0.0).steps == 8
        assert not runtime.losses()


def test_a_step_of_many_parts_is_no_hang(ray_cluster: Cluster, pool: Pool, make_job: JobMaker) -> None:
    """The only worker shows that it computes one after the other, as it does where it has several shares."""
    job = prepare_job(
        make_job(
            model={"layers": [{"type": "tests.runtime.layers:Slow", "seconds": 0.4}]},
            scaling={"num_workers": 1},
            train={"accumulate": 4},
            failure={"hang_seconds": 1},
        )
    )
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        assert runtime.train(0, 2, 1.0, 0.0).steps == 2
        assert not runtime.losses()


def test_one_share_computed_by_others_is_evaluated_too(ray_cluster: Cluster, pool: Pool, in_sync: PreparedJob) -> None:
    job = in_sync
    with ThreadRuntime(plan_of(job), job.metrics) as runtime:
        runtime.start(job.initial)
        whole = runtime.evaluate("validation")
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        os.kill(runtime.pids()[runtime.workers[1]], signal.SIGKILL)
        found = runtime.evaluate("validation")
        assert [peer.rank for peer in runtime.losses()] == [1]
    assert (found.loss, found.weight) == (whole.loss, whole.weight)


def test_the_only_worker_may_die_in_an_evaluation(ray_cluster: Cluster, pool: Pool, make_job: JobMaker) -> None:
    """Another is there at once, and works on."""
    job = prepare_job(make_job(scaling={"num_workers": 1}, train={"epochs": 1000}))
    with ThreadRuntime(plan_of(job), job.metrics) as runtime:
        runtime.start(job.initial)
        runtime.train(0, 20, 1.0, 1.0)
        whole = runtime.evaluate("validation")
        runtime.train(20, 40, 1.0, 1.0)
        expected = runtime.read()
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        runtime.train(0, 20, 1.0, 1.0)
        os.kill(runtime.pids()[runtime.workers[0]], signal.SIGKILL)
        found = runtime.evaluate("validation", lambda: runtime.replace(runtime.losses()))
        assert runtime.train(20, 40, 1.0, 1.0).steps == 20
        assert runtime.read().parameters.tobytes() == expected.parameters.tobytes()
    assert (found.loss, found.weight) == (whole.loss, whole.weight)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["dies", "hangs"])
def test_one_that_does_not_join_is_lost_again(
    number: signal.Signals, ray_cluster: Cluster, pool: Pool, in_sync: PreparedJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others train on, and the next one joins."""
    monkeypatch.setattr(workforce, "ADMIT_SECONDS", 1.0)
    job = in_sync
    newcomer: processes.Known = {}
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        os.kill(runtime.pids()[runtime.workers[0]], signal.SIGKILL)
        step, lost = 0, []
        answer = runtime.submit

        def submit(asked: Any) -> Any:
            if asked.method == "join" and not newcomer:
                newcomer.update(processes.known([pid := runtime.pids([asked.peer])[asked.peer]]))
                os.kill(pid, number)
            return answer(asked)

        monkeypatch.setattr(runtime, "submit", submit)
        deadline = time.monotonic() + 60
        while not runtime.returns():
            assert time.monotonic() < deadline
            step += runtime.train(step, step + 20, 1.0, 1.0).steps
            found = runtime.losses()
            lost += found.values()
            runtime.replace(found)
    assert lost[0] == "its process ended or was killed"
    assert lost[1].startswith("it did not join: ")
    assert not processes.alive(newcomer), "one that hangs is ended, too"


def test_with_servers_of_their_own_the_lease_tells_who_died(
    ray_cluster: Cluster, pool: Pool, make_job: JobMaker
) -> None:
    job = prepare_job(make_job(scaling={"num_workers": 2, "servers_per_node": 1}, train={"epochs": 1_000_000}))
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        os.kill(runtime.pids()[runtime.workers[1]], signal.SIGKILL)
        with pytest.raises(ProcessDied, match="worker 1 died"):
            runtime.train(0, 30_000, 1.0, 10.0)
