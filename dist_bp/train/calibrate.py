"""Measures on this machine what a job's step is made of, for predictions of other numbers of nodes."""

import secrets
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack

import numpy as np
import psutil

from dist_bp.config import JobConfig
from dist_bp.errors import CapacityError, TrainingFailed
from dist_bp.ps.compression import Codec, ErrorFeedback, make_codec
from dist_bp.ps.mesh import add_up
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.cluster import Cluster, this_machine
from dist_bp.runtime.forecast import Costs, Load, check_predictable
from dist_bp.runtime.lease_report import LeaseReport
from dist_bp.runtime.placement import place
from dist_bp.runtime.plan import RunPlan, check_not_lazy
from dist_bp.runtime.probe import measure_exchange
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.runtime.temporary import check_temporary_folder
from dist_bp.runtime.warden import Warden
from dist_bp.train.checks import check_memory, object_store_bytes
from dist_bp.train.setup import PreparedJob, prepare_job
from dist_bp.types import Array

WARM_UP_STEPS = 20
LEASES = 5
LEASE_SECONDS = 0.6
REPEATS = 7
COUNT = 2**30
"""More epochs than any calibration makes."""


def load_of(config: JobConfig) -> Load:
    """What the job asks of a node. Raises UserError where it cannot be predicted, or not be measured here."""
    check_predictable(config.parameter_server.mode)
    check_not_lazy(config)
    place(max(config.scaling.num_workers, 1), config.scaling.cpus_per_worker, [this_machine()])
    job, train = prepare_job(_variant(config)), config.train
    prepare_job(_variant(_halved(config)))
    check_memory(job.layout.nbytes + object_store_bytes(job))
    batch, clips = train.batch_size * train.accumulate, train.clip_norm is not None
    return Load(job.layout, batch, train.group_size, clips, _codec(config))


def calibrate(config: JobConfig, load: Load, tell: Callable[[str], None]) -> Costs:
    """What the parts of the job's step cost here; `tell` hears what is being measured.

    Runs the job with its workers and servers on a local Ray, at its own batch and at half of it, and two servers that
    exchange slices. Raises TrainingFailed where that fails, KeyboardInterrupt at SIGINT or SIGTERM.
    """
    full, half = prepare_job(_variant(config)), prepare_job(_variant(_halved(config)))
    settings = config.parameter_server
    with ExitStack() as stack:
        warden = stack.enter_context(Warden())
        for line in (*check_temporary_folder(), "starting Ray"):
            tell(line)
        cluster = Cluster("local", object_store_bytes(full), warden, config.ray.start_seconds)
        stack.callback(cluster.close)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own would end the process in an abort
        tell(f"measuring steps of {load.batch} samples")
        reports, memory = _run(full, warden)
        tell("measuring steps of half as many")
        smaller, _ = _run(half, warden)
        tell("measuring the exchange between servers")
        nbytes = max(full.layout.parameters * full.model.dtype.itemsize // 2, 1)
        timeout, secret = settings.timeout_seconds, secrets.token_bytes(32)
        exchange = cluster.call(
            "the exchange was measured", lambda: measure_exchange(nbytes, secret, timeout, settings.encrypt), None
        )
    encode, decode = _codec_seconds(load.codec, load.layout.parameters)
    rows = load.batch / load.workers
    half_rows = half.config.train.batch_size * config.train.accumulate / load.workers
    seconds, half_seconds = _compute(reports), _compute(smaller).mean()
    row = max((seconds.mean() - half_seconds) / (rows - half_rows), 0.0)
    update = float(np.median(np.concatenate([_updates(report) for report in reports])))
    return Costs(
        compute=max(float(seconds.mean()) - row * rows, 0.0),
        compute_row=row,
        spread=np.sort((seconds / seconds.mean(axis=0)).ravel()).tolist(),
        update=update * load.layout.updaters / load.layout.parameters,
        add=_add_seconds(load.layout.parameters, load.layout.dtype),
        signal=float(np.median([_signals(report) for report in reports])),
        exchange=exchange,
        encode=encode,
        decode=decode,
        worker_memory=memory["worker"],
        server_memory=memory.get("server", 0),
    )


def _codec(config: JobConfig) -> Codec | None:
    settings = config.parameter_server
    return make_codec(settings.compression, settings.top_k_fraction or 1.0)


def _variant(config: JobConfig) -> JobConfig:
    """The job without an end, on one node."""
    stop = config.train.stop.model_copy(update={"max_steps": None})
    train = config.train.model_copy(update={"epochs": COUNT, "stop": stop})
    workers = max(config.scaling.num_workers, 1)
    scaling = config.scaling.model_copy(update={"num_workers": workers, "placement": "packed"})
    return config.model_copy(update={"train": train, "scaling": scaling})


def _halved(config: JobConfig) -> JobConfig:
    """The job with half of the batch, in as many groups."""
    train = config.train
    workers = max(config.scaling.num_workers, 1)
    batch, group = train.batch_size // 2, max(train.group_size // 2, 1)
    if -(-batch // group) < workers:
        raise CapacityError(
            f"train.batch_size: half of {train.batch_size} leaves some of {workers} workers without a sample: "
            "plan with a larger batch or fewer workers"
        )
    halved = train.model_copy(update={"batch_size": batch, "group_size": group})
    return config.model_copy(update={"train": halved})


def _run(job: PreparedJob, warden: Warden) -> tuple[list[LeaseReport], dict[str, int]]:
    """Some leases of the job, and the largest memory that a worker and a server have for themselves.

    Gradients are whole, as they are on several nodes.
    """
    secret = secrets.token_bytes(32)
    plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secret, by_rows=False)
    with RayRuntime(plan, job.metrics, Cluster("there", 0, warden)) as runtime:
        runtime.start(job.initial)
        started = time.perf_counter()
        _train(runtime, 0, WARM_UP_STEPS)
        pace = WARM_UP_STEPS / (time.perf_counter() - started)
        steps = max(int(pace * LEASE_SECONDS), WARM_UP_STEPS)
        reports = []
        for lease in range(LEASES):
            first = WARM_UP_STEPS + lease * steps
            reports.append(_train(runtime, first, first + steps))
        memory: dict[str, int] = {}
        for peer, pid in runtime.pids().items():
            size = psutil.Process(pid).memory_full_info().uss
            memory[peer.role] = max(memory.get(peer.role, 0), size)
    return reports, memory


def _train(runtime: Runtime, first: int, last: int) -> LeaseReport:
    report = runtime.train(first, last, 1.0, runtime.plan.timeout)
    if report.non_finite:
        raise TrainingFailed(
            f"the loss or gradient is not finite at step {report.non_finite.step + 1} of the measurement: "
            "lower train.optimizer.learning_rate or set train.clip_norm"
        )
    return report


def _compute(reports: list[LeaseReport]) -> Array:
    """(steps, workers): seconds of each gradient."""
    return np.concatenate([np.stack([w.times[:, 1] - w.times[:, 0] for w in r.workers], axis=1) for r in reports])


def _updates(report: LeaseReport) -> Array:
    """(steps,): seconds of the slowest server's update."""
    slowest: Array = np.max([server.times[:, 2] - server.times[:, 1] for server in report.servers], axis=0)
    return slowest


def _signals(report: LeaseReport) -> float:
    """What is left of a step beside its slowest gradient and its update."""
    times = np.stack([worker.times for worker in report.workers])
    whole = (times[:, -1, 3].max() - times[:, 0, 0].min()) / report.steps
    slowest = (times[:, :, 1] - times[:, :, 0]).max(axis=0).mean()
    return max(float(whole - slowest - _updates(report).mean()), 0.0)


def _add_seconds(size: int, dtype: str) -> float:
    """Seconds for each element of adding two vectors."""
    vectors = [np.ones(size, dtype) for _ in range(2)]
    out = np.empty(size, dtype)
    return _median_seconds(lambda: add_up(vectors, out)) / size


def _codec_seconds(codec: Codec | None, size: int) -> tuple[float, float]:
    """Seconds for each element of compressing, with error feedback, and of decompressing."""
    if codec is None:
        return 0.0, 0.0
    vector = np.random.default_rng(0).normal(size=size).astype(np.float32)
    feedback, owed = ErrorFeedback(codec, size), np.zeros(size, np.float32)
    encode = _median_seconds(lambda: feedback.encode(vector, owed, owed)) / size
    data = feedback.encode(vector, owed, owed)
    return encode, _median_seconds(lambda: codec.decode(data, vector)) / size


def _median_seconds(action: Callable[[], object]) -> float:
    taken = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return float(np.median(taken))
