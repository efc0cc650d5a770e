"""All use of dist_bp's runtime by the benchmarks: a change of its interface is followed here alone."""

import hashlib
import itertools
import logging
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.processes import BenchmarkError
from benchmarks.threads import thread_counts
from benchmarks.works import DATA, MOMENTUM, SEED, Array, Servers, Work, read_inputs
from dist_bp.config import JobConfig
from dist_bp.nn import Layer
from dist_bp.ps.arena import Snapshot
from dist_bp.runtime.base import LeaseReport
from dist_bp.runtime.cluster import Cluster, import_ray
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.runtime.warden import Warden
from dist_bp.track.null import NullTracker
from dist_bp.train.checks import object_store_bytes
from dist_bp.train.job import run_job
from dist_bp.train.observer import Observer, Progress
from dist_bp.train.setup import PreparedJob, prepare_job

LEASE_SECONDS = 60.0
UPDATING = 1
"""The place of the updates among a lease's `server_seconds`."""
Settings = Mapping[str, Any]


def configuration(
    work: Work,
    folder: Path,
    workers: int,
    servers: Servers,
    parameter_server: Settings | None = None,
    failure: Settings | None = None,
) -> dict[str, Any]:
    """The job that trains the work, as a configuration file says it."""
    momentum = {"type": "sgd", "learning_rate": work.rate, "momentum": MOMENTUM}
    adam = {"type": "adam", "learning_rate": work.rate}
    groups = {} if work.kind == "dense" else {"group_size": work.batch // workers}
    whole = [{"type": "integers", "count": work.texts.vocabulary}] if work.texts else []
    return {
        "name": "benchmark",
        "seed": SEED,
        "data": {
            "source": {"type": "npz", "path": str(folder / DATA)},
            "split": {"validation": 0, "test": 0},
            "preprocess": whole,
            "prepared": str(folder / f"prepared-{os.getpid()}"),
        },
        "model": {"layers": list(work.layers)},
        "loss": {"type": "cross_entropy"},
        "train": {
            "epochs": 100_000,
            "batch_size": work.batch,
            **groups,
            "optimizer": adam if work.optimizer == "adam" else momentum,
            "stop": {"monitor": "train_loss"},
        },
        "checkpoint": {"monitor": "train_loss"},
        "scaling": {"num_workers": workers, "servers_per_node": servers},
        "parameter_server": dict(parameter_server or {}),
        "failure": dict(failure or {}),
    }


def job_of(
    work: Work,
    folder: Path,
    workers: int,
    servers: Servers,
    parameter_server: Settings | None = None,
    placement: str = "packed",
    failure: Settings | None = None,
) -> PreparedJob:
    settings = configuration(work, folder, workers, servers, parameter_server, failure)
    settings["scaling"]["placement"] = placement
    return prepare_job(JobConfig.model_validate(settings))


def plan_of(job: PreparedJob) -> RunPlan:
    return RunPlan(job.config, job.prepared.directory, job.total_steps, secrets.token_bytes(32))


def start_of(job: PreparedJob, work: Work, folder: Path) -> Snapshot:
    """Step 0 with the initial parameters that all contenders share."""
    vector = np.empty_like(job.initial.parameters)
    places = list(job.model.layout.named(vector).values())
    for place, array in zip(places, read_inputs(work, folder).arrays, strict=True):
        np.copyto(place, array)
    return replace(job.initial, parameters=vector)


class JobRun:
    """A job on Ray whose steps are called for, from `start` on.

    Ray is this machine's own and ends with the run, unless this process is connected to one already.
    """

    def __init__(self, job: PreparedJob, start: Snapshot) -> None:
        self.arena_bytes = job.layout.nbytes
        self._start = start
        with ExitStack() as stack:
            warden = stack.enter_context(Warden())
            cluster = Cluster("local", object_store_bytes(job), warden)
            self._runtime = stack.enter_context(RayRuntime(plan_of(job), job.metrics, cluster))
            self._runtime.start(start)
            self._stack = stack.pop_all()
        self._done = 0

    def restart(self) -> None:
        """Goes back to step 0 and the initial parameters."""
        self._runtime.write(self._start)
        self._done = 0

    def straggle(self, calls: Mapping[int, Collection[int]], seconds: float) -> None:
        """From now on, worker `rank` sleeps at the calls `calls[rank]` of its gradients, which count from 0.

        They are calls of its own process, dropped ones included: in the async mode a slow worker gets fewer shares.
        """
        import ray

        late = [
            self._runtime.actors[peer].__ray_call__.remote(_make_late, frozenset(calls.get(peer.rank, ())), seconds)
            for peer in self._runtime.workers
        ]
        ray.get(late, timeout=LEASE_SECONDS)

    def train(self, count: int) -> Array:
        """Makes the next `count` steps and returns their mean losses."""
        return self.timed(count)[0]

    def timed(self, count: int) -> tuple[Array, float]:
        """Makes the next `count` steps; returns their mean losses and the mean seconds of an update."""
        report = self.lease(count)
        return report.losses / report.weights, float(
            max(times[UPDATING] for times in report.server_seconds.values())
        ) / count

    def lease(self, count: int) -> LeaseReport:
        """Makes the next `count` steps. Raises BenchmarkError where a NaN or an infinity ends them."""
        report = self._runtime.train(self._done, self._done + count, 1.0, LEASE_SECONDS)
        if report.non_finite:
            raise BenchmarkError(f"dist_bp: not finite after step {report.non_finite.step}")
        self._done += count
        return report

    def disturbed(self, count: int) -> tuple[LeaseReport, list[int], list[int]]:
        """Makes up to `count` next steps, however many workers are lost meanwhile, which are replaced; a quarter while
        one is awaited, as a run does. Also returns the ranks of those that were lost, and of those that have joined
        again."""
        count = max(count // 4, 1) if self._runtime.awaiting else count
        report = self._runtime.train(self._done, self._done + count, 1.0, LEASE_SECONDS)
        self._done += report.steps
        lost, joined = self._runtime.losses(), self._runtime.returns()
        self._runtime.replace(lost)
        return report, [peer.rank for peer in lost], [peer.rank for peer in joined]

    def sha256(self) -> str:
        """Of the committed parameters."""
        return hashlib.sha256(self._runtime.read().parameters.tobytes()).hexdigest()

    def worker_pids(self) -> list[int]:
        """The processes of the workers that are there."""
        return [pid for peer, pid in self._runtime.pids().items() if peer.role == "worker"]

    def spare_pids(self) -> list[int]:
        """The processes that are ready to take the place of a worker."""
        return self._runtime.spares

    def threads(self) -> list[dict[str, int]]:
        """The threads of each worker's and server's libraries."""
        import ray

        actors = self._runtime.actors.values()
        return list(ray.get([actor.__ray_call__.remote(thread_counts) for actor in actors], timeout=LEASE_SECONDS))

    def pids(self) -> dict[str, int]:
        """The processes by `worker 0`, `server 0` and so on."""
        return {str(peer): pid for peer, pid in self._runtime.pids().items()}

    def close(self) -> None:
        self._stack.close()


class RayRun(JobRun):
    """One of a work, from the parameters that all contenders share; `options` are those of `job_of`."""

    def __init__(self, work: Work, folder: Path, workers: int, servers: Servers, **options: Any) -> None:
        job = job_of(work, folder, workers, servers, **options)
        super().__init__(job, start_of(job, work, folder))


def _make_late(host: Any, calls: frozenset[int], seconds: float) -> None:
    """Runs in a worker's actor. All modes take their gradients from there, the local steps too."""
    gradient = host._process.computing._gradient
    gradient.__dict__.pop("compute", None)
    gradient.compute = _late(gradient.compute, calls, seconds)


def _late(compute: Callable[..., Any], calls: frozenset[int], seconds: float) -> Callable[..., Any]:
    numbers = itertools.count()

    def sleep_and_compute(*arguments: Any, **options: Any) -> Any:
        if next(numbers) in calls:
            time.sleep(seconds)
        return compute(*arguments, **options)

    return sleep_and_compute


class ThreadRun:
    """A run whose workers and servers are threads of this process."""

    def __init__(self, work: Work, folder: Path, workers: int, servers: Servers) -> None:
        job = job_of(work, folder, workers, servers)
        self._runtime = ThreadRuntime(plan_of(job), job.metrics)
        self._runtime.start(start_of(job, work, folder))
        self._done = 0

    def train(self, count: int) -> None:
        self._runtime.train(self._done, self._done + count, 1.0, LEASE_SECONDS)
        self._done += count

    def compute(self, rank: int, first: int, count: int) -> None:
        """Worker `rank` computes its gradients of some steps and leaves it at that."""
        worker: Any = self._runtime.process(self._runtime.workers[rank])
        for step in range(first, first + count):
            worker.computing.gradient(step, rank, worker.arena.version, 0, {})

    def layers(self, rank: int) -> dict[str, Layer]:
        """Those of worker `rank`: once each that is repeated, under its first name."""
        worker: Any = self._runtime.process(self._runtime.workers[rank])
        layers = worker.task.model._stack.layers
        first = {id(layer): name for name, layer in reversed(layers)}
        return {name: layer for name, layer in layers if first[id(layer)] == name}

    def close(self) -> None:
        self._runtime.close()


class NodesInThreads:
    """A run on so many nodes of one worker, all threads of this process; their servers exchange slices over sockets."""

    def __init__(self, job: PreparedJob, nodes: int) -> None:
        self._metrics = job.metrics
        plan = replace(plan_of(job), placement=(1,) * nodes, processes=(1,) * nodes)
        self._runtime = ThreadRuntime(plan, job.metrics)
        self._runtime.start(job.initial)
        self._done = 0

    def train(self, count: int) -> LeaseReport:
        report = self._runtime.train(self._done, self._done + count, 1.0, LEASE_SECONDS)
        self._done += count
        return report

    def evaluate(self, split: str) -> tuple[float, dict[str, float]]:
        """Mean loss over a split, and the metrics that are one number."""
        found = self._runtime.evaluate(split)
        values = {name: self._metrics[name].result(state) for name, state in found.metrics.items()}
        return found.loss / found.weight, {name: float(value) for name, value in values.items() if np.ndim(value) == 0}

    def close(self) -> None:
        self._runtime.close()


@contextmanager
def local_ray(cpus: int, object_store: int) -> Iterator[None]:
    """A Ray of this machine's own that takes the machine for one with `cpus` processors."""
    ray = import_ray(own=True)
    with tempfile.TemporaryDirectory(prefix="b") as folder:
        ray.init(
            address="local",
            num_cpus=cpus,
            object_store_memory=object_store,
            include_dashboard=False,
            logging_level=logging.ERROR,
            log_to_driver=False,
            _temp_dir=folder,
        )
        try:
            yield
        finally:
            ray.shutdown()


@contextmanager
def ray_of(address: str, nodes: int) -> Iterator[None]:
    """A connection to a Ray that is there, once it has so many nodes. Raises BenchmarkError."""
    ray = import_ray(own=False)
    ray.init(address=address, logging_level=logging.ERROR, log_to_driver=False)
    try:
        deadline = time.monotonic() + LEASE_SECONDS
        while sum(node["Alive"] for node in ray.nodes()) < nodes:
            if time.monotonic() > deadline:
                raise BenchmarkError(f"the Ray at {address} has not {nodes} nodes")
            time.sleep(0.2)
        yield
    finally:
        ray.shutdown()


def run_whole_job(settings: dict[str, Any], tracked: bool) -> float:
    """Seconds that a whole job takes from its first lease to the end of training, with or without a tracker."""
    clock = _Clock()
    with ExitStack() as stack:
        if not tracked:
            stack.enter_context(patch("dist_bp.train.job.open_run", lambda *_: NullTracker()))
        run_job(JobConfig.model_validate(settings), observer=clock)
    return clock.seconds


class _Clock(Observer):
    """Takes the time between the first progress and the evaluation at the end."""

    def __init__(self) -> None:
        self._started: float | None = None
        self.seconds = 0.0

    def progress(self, progress: Progress) -> None:
        if self._started is None:
            self._started = time.perf_counter()

    def phase(self, what: str) -> None:
        if what == "evaluating" and self._started is not None:
            self.seconds = time.perf_counter() - self._started
