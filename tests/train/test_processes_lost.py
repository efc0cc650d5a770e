"""Whole jobs on Ray, of which processes are killed without which the others cannot go on: keepers, servers, workers of
modes that keep no account of a step. The promise of bits holds; a mode without it loses no run."""

import itertools
import math
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Self

import psutil
import pytest

from dist_bp.config import JobConfig
from dist_bp.errors import TrainingFailed
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.train import job as job_module
from dist_bp.train.job import Lent, run_job
from dist_bp.train.observer import Observer, Progress
from dist_bp.train.result import Result
from tests.conftest import JobMaker, shared_memory_files
from tests.train.looking import points
from tests.train.unsteady import Open, Outcome, outcome

pytestmark = pytest.mark.usefixtures("database", "ray_session")

FAULTS = 3
SEEDS = itertools.count()


class Killer(Observer):
    """Kills a process of a role at drawn moments of drawn leases."""

    def __init__(self, role: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seed = next(SEEDS)
        print(f"seed {self.seed}")  # shown where the test fails
        self._random = random.Random(self.seed)
        self._role = role
        self._left = FAULTS
        self._rest = self._random.randrange(1, 3)
        self._runtimes: list[RayRuntime] = []
        self.lines: list[str] = []
        open_runtime = job_module.open_runtime

        def opened(*arguments: Any) -> Runtime:
            runtime = open_runtime(*arguments)
            assert isinstance(runtime, RayRuntime)
            self._runtimes.append(runtime)
            return runtime

        monkeypatch.setattr(job_module, "open_runtime", opened)

    def progress(self, progress: Progress) -> None:
        self._rest -= 1
        if self._rest > 0 or not self._left:
            return
        self._left, self._rest = self._left - 1, self._random.randrange(2, 4)
        pids = [pid for peer, pid in self._runtimes[-1].pids().items() if peer.role == self._role]
        threading.Timer(self._random.uniform(0, 0.1), kill, [self._random.choice(pids)]).start()

    def warn(self, text: str) -> None:
        self.lines.append(text)


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def job_of(make_job: JobMaker, servers: int | str, mode: dict[str, Any], epochs: int = 15) -> JobConfig:
    """Of 8 steps an epoch, each of which takes 10 ms or so; an epoch is a lease."""
    slow = {"type": "tests.runtime.layers:Slow", "seconds": 0.01}
    return make_job(
        model={"layers": [{"type": "dense", "units": 16, "activation": "tanh"}, slow, {"type": "dense", "units": 4}]},
        train={"epochs": epochs, "optimizer": {"type": "adam", "learning_rate": 0.01}},
        scaling={"num_workers": 2, "servers_per_node": servers},
        parameter_server=mode,
        failure={"max_failures": 20, "snapshot_seconds": 0.3},
        tracking={"every_steps": 1},
    )


LOSSES = ("step/loss",)


@pytest.fixture(scope="module")
def known() -> dict[tuple[str, int], Outcome]:
    """By mode and epochs: however many processes are servers, the bits are the same."""
    return {}


@pytest.fixture
def undisturbed(known: dict[tuple[str, int], Outcome], lose: Open) -> Callable[[JobConfig], Outcome]:
    """What a job comes to in threads of this process, of which none is lost."""

    def undisturbed(job: JobConfig) -> Outcome:
        kind = (job.parameter_server.mode, job.train.epochs)
        if kind not in known:
            lose()
            known[kind] = outcome(run_job(job), LOSSES)
        return known[kind]

    return undisturbed


def check(result: Result, killer: Killer) -> None:
    assert result.steps == 120
    restarts = [one for one in result.recoveries if one.remedy == "restart"]
    assert len(restarts) >= FAULTS - 1  # one may be killed as the training ends
    assert len([line for line in killer.lines if "formed anew" in line]) == len(restarts)
    for curve in ("step/loss", "epoch/val_loss"):
        steps = [step for step, _ in points(result, curve)]
        assert steps == list(range(1, 121) if curve == "step/loss" else range(8, 121, 8))


EXACT = {
    "a keeper": ("keeper", "auto", {}),
    "a server": ("server", 1, {}),
    "a worker beside servers": ("worker", 1, {"mode": "local", "local_steps": 2}),
}


@pytest.mark.parametrize(("role", "servers", "mode"), EXACT.values(), ids=EXACT)
def test_the_bits_are_those_of_a_run_that_loses_nobody(
    role: str,
    servers: int | str,
    mode: dict[str, Any],
    make_job: JobMaker,
    pool: Pool,
    undisturbed: Callable[[JobConfig], Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, job = shared_memory_files(), job_of(make_job, servers, mode)
    killer = Killer(role, monkeypatch)
    result = run_job(job, observer=killer, lent=Lent(pool=pool))
    check(result, killer)
    assert shared_memory_files() <= before
    assert outcome(result, LOSSES) == undisturbed(job)


OTHERS = {
    "ssp": ("worker", {"mode": "ssp", "max_staleness": 2}),
    "backup": ("worker", {"mode": "backup", "backup_workers": 1}),
    "async": ("server", {"mode": "async"}),
}


@pytest.mark.parametrize(("role", "mode"), OTHERS.values(), ids=OTHERS)
def test_no_run_is_lost_where_bits_are_not_promised(
    role: str, mode: dict[str, Any], make_job: JobMaker, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    killer = Killer(role, monkeypatch)
    result = run_job(job_of(make_job, "auto", mode), observer=killer, lent=Lent(pool=pool))
    check(result, killer)
    assert math.isfinite(result.metrics["val_loss"])


class Reaper:
    """A thread that kills the processes of these roles, so many of them, at drawn moments of their first seconds: while
    they start, join, or work."""

    def __init__(self, roles: Sequence[str], kills: int, longest: float) -> None:
        self.left = kills
        self._titles = [f"ray::{role.capitalize()}Process" for role in roles]
        self._longest = longest
        self._random = random.Random(next(SEEDS))
        self._seen = {child.pid for child in psutil.Process().children(recursive=True)}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while self.left and not self._ended.wait(0.05):
            for child in psutil.Process().children(recursive=True):
                if child.pid in self._seen or not self.left or not self._is_one(child):
                    continue
                self._seen.add(child.pid)
                self.left -= 1
                threading.Timer(self._random.uniform(0, self._longest), kill, [child.pid]).start()

    def _is_one(self, process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return any(title in part for part in process.cmdline() for title in self._titles)
        return False


def test_processes_may_die_as_they_start_join_and_work(
    make_job: JobMaker, pool: Pool, undisturbed: Callable[[JobConfig], Outcome]
) -> None:
    pool.close()  # all start
    job = job_of(make_job, "auto", {}, epochs=30)
    with Reaper(["worker", "keeper"], kills=6, longest=1.5) as reaper:
        result = run_job(job)
    assert reaper.left < 3
    assert outcome(result, LOSSES) == undisturbed(job)


def test_a_worker_that_dies_at_each_start_ends_the_run(make_job: JobMaker, pool: Pool) -> None:
    pool.close()
    job = job_of(make_job, "auto", {})
    job = job.model_copy(update={"failure": job.failure.model_copy(update={"max_failures": 2})})
    started = time.monotonic()
    with Reaper(["worker"], kills=100, longest=0.0), pytest.raises(TrainingFailed) as error:
        run_job(job)
    assert time.monotonic() - started < 200
    assert "worker" in str(error.value)
    assert "more failures than failure.max_failures (2); before that step 1: worker" in str(error.value)
