"""Processes that wait to take the place of a worker: at once, whatever has become of others, and without an end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import psutil
import pytest

from dist_bp.processes import known
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.runtime.spares import TRIES, Spare, Spares
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.setup import prepare_job
from tests.cli.running import CONFIG, Running
from tests.conftest import JobMaker
from tests.runtime.test_ray_runtime import plan_of

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


class Stock:
    """Begins spares that are processes which sleep, and ends them."""

    def __init__(self) -> None:
        self.begun: list[Spare] = []
        self.ended: list[Spare] = []

    def begin(self) -> Spare:
        process = subprocess.Popen(SLEEP)
        self.begun.append(Spare(process, Future()))
        return self.begun[-1]

    def end(self, spare: Spare) -> None:
        self.ended.append(spare)
        spare.actor.kill()
        spare.actor.wait()

    def ready(self) -> None:
        for spare in self.begun:
            if not spare.ready.done():
                spare.ready.set_result(known([spare.actor.pid]))


@pytest.fixture
def stock() -> Iterator[Stock]:
    stock = Stock()
    yield stock
    for spare in stock.begun:
        stock.end(spare)


def test_as_many_are_kept_as_are_wanted_and_each_is_told_of_once(stock: Stock) -> None:
    spares = Spares(2, stock.begin, stock.end)
    assert spares.tend() == []
    assert len(stock.begun) == 2
    stock.ready()
    assert spares.tend() == [spare.actor.pid for spare in stock.begun]
    assert spares.tend() == []
    assert spares.take() is stock.begun[0]
    spares.tend()
    assert len(stock.begun) == 3
    spares.close()
    assert stock.ended == [stock.begun[2], stock.begun[1]]


def test_one_that_is_not_ready_yet_is_sooner_there_than_a_new_one(stock: Stock) -> None:
    spares = Spares(1, stock.begin, stock.end)
    assert spares.take() is None
    spares.tend()
    assert spares.take() is stock.begun[0]
    assert spares.take() is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_one_that_has_died_or_hangs_takes_no_place(stock: Stock, number: int) -> None:
    spares = Spares(1, stock.begin, stock.end)
    spares.tend()
    stock.ready()
    stock.begun[0].actor.send_signal(number)
    (process,) = (psutil.Process(spare.actor.pid) for spare in stock.begun)
    while process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_STOPPED):
        time.sleep(0.01)
    assert spares.take() is None
    assert stock.ended == stock.begun
    spares.tend()
    stock.ready()
    assert spares.take() is stock.begun[1]


def test_those_that_end_again_and_again_are_given_up(stock: Stock) -> None:
    spares = Spares(1, stock.begin, stock.end)
    for _ in range(TRIES + 2):
        spares.tend()
        if not stock.begun[-1].ready.done():
            stock.begun[-1].ready.set_exception(ProcessDied("worker 0 died"))
    assert len(stock.begun) == TRIES
    assert spares.take() is None


def test_a_spare_takes_the_place_of_whoever_is_lost_in_the_next_lease(ray_cluster: Cluster, make_job: JobMaker) -> None:
    """Three times, one of them when the spare has died, too; what comes out is the same to the bit."""
    job = prepare_job(
        make_job(scaling={"num_workers": 2}, train={"epochs": 1000}, failure={"spare_workers": 1, "hang_seconds": 20})
    )
    with RayRuntime(plan_of(job), job.metrics, ray_cluster) as runtime:
        runtime.start(job.initial)
        step = 0
        for rank, lost_before in ((1, False), (0, True), (1, False)):
            spare = waiting(runtime, step)
            step += 5
            if lost_before:
                spare.kill()
                spare.wait(10)
                runtime.train(step, step + 5, 1.0, 1.0)
                step += 5
                spare = waiting(runtime, step)
                step += 5
            os.kill(runtime.pids()[runtime.workers[rank]], signal.SIGKILL)
            step += runtime.train(step, step + 5, 1.0, 1.0).steps
            assert runtime.awaiting
            runtime.replace(runtime.losses())
            step += runtime.train(step, step + 5, 1.0, 1.0).steps
            assert [peer.rank for peer in runtime.returns()] == [rank]
            assert runtime.pids()[runtime.workers[rank]] == spare.pid
            assert not runtime.awaiting
        family = [waiting(runtime, step), *map(psutil.Process, runtime.pids().values())]
        step += 5
        found = runtime.read()
    assert not psutil.wait_procs(family, timeout=10)[1]
    with ThreadRuntime(plan_of(job), job.metrics) as runtime:
        runtime.start(job.initial)
        runtime.train(0, step, 1.0, 1.0)
        whole = runtime.read()
    assert found.step == whole.step == step
    assert found.parameters.tobytes() == whole.parameters.tobytes()


def test_a_pool_gets_no_process_that_has_been_a_spare(ray_cluster: Cluster, make_job: JobMaker) -> None:
    """It has reserved no CPU; those that have serve the next run."""
    pool = Pool()
    job = prepare_job(make_job(scaling={"num_workers": 2}, train={"epochs": 1000}, failure={"spare_workers": 1}))
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        stand_in = waiting(runtime, 0)
        os.kill(runtime.pids()[runtime.workers[0]], signal.SIGKILL)
        step = 5
        while not runtime.returns():
            step += runtime.train(step, step + 5, 1.0, 1.0).steps
            runtime.replace(runtime.losses())
        before = set(runtime.pids().values())  # the next spare has just begun
    assert not psutil.wait_procs([stand_in], timeout=10)[1]
    with RayRuntime(plan_of(job), job.metrics, ray_cluster, pool) as runtime:
        runtime.start(job.initial)
        assert len(before & set(runtime.pids().values())) == 2
        family = [waiting(runtime, 0), *map(psutil.Process, runtime.pids().values())]
    pool.close()
    assert not psutil.wait_procs(family, timeout=10)[1]


def waiting(runtime: RayRuntime, step: int) -> psutil.Process:
    """Makes five steps, and waits until a spare is ready."""
    runtime.train(step, step + 5, 1.0, 1.0)
    deadline = time.monotonic() + 60
    while not runtime.spares:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (pid,) = runtime.spares
    return psutil.Process(pid)


def test_a_killed_driver_leaves_no_spare(workplace: Path, database: Path) -> None:
    (workplace / "job.yaml").write_text(CONFIG)
    with Running("scaling.num_workers=1", "scaling.servers_per_node=auto", "failure.spare_workers=1") as running:
        deadline = time.monotonic() + 60
        driver = psutil.Process(running.process.pid)
        while sum(child.name().startswith("ray::WorkerProc") for child in driver.children(recursive=True)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        running.children = driver.children(recursive=True)
        running.process.kill()
        running.end()
        running.assert_nothing_left()
