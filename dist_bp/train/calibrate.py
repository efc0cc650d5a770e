"""Measures on this machine what a job's step is made of, for predictions of other numbers of nodes."""

import secrets
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace

import numpy as np

from dist_bp.config import JobConfig
from dist_bp.control_group import local_cpus
from dist_bp.errors import CapacityError, TrainingFailed, UserError
from dist_bp.messages import plural
from dist_bp.ps.compression import Codec, ErrorFeedback, make_codec
from dist_bp.runtime.cluster import Cluster, this_machine
from dist_bp.runtime.forecast import Costs, Gradients, Load, OneNode, check_predictable, measured_exchange
from dist_bp.runtime.placement import Node, place
from dist_bp.runtime.plan import check_not_lazy
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.probe import ExchangeCosts, measure_exchange
from dist_bp.runtime.temporary import check_temporary_folder
from dist_bp.runtime.warden import Warden
from dist_bp.train.checks import check_memory, object_store_bytes
from dist_bp.train.rehearsal import Rehearsal, rehearse
from dist_bp.train.setup import PreparedJob, prepare_job

REPEATS = 7
COUNT = 2**30
"""More epochs than any calibration makes."""
HALVES = ("127.0.0.1", "127.0.0.2")
"""Where two nodes that are one machine reach each other."""


class Halved(Cluster):
    """A connection to the Ray of this machine that takes it for two nodes, each with `cpus` of its CPUs."""

    def __init__(self, cpus: int, warden: Warden) -> None:
        super().__init__("there", 0, warden)
        self._cpus = cpus

    @property
    def nodes(self) -> list[Node]:
        (machine,) = super().nodes
        return [replace(machine, host=host, cpus=self._cpus) for host in HALVES]


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


@dataclass(frozen=True)
class Measured:
    """Rehearsals of the job on one node, `whole` with the gradients of tables exchanged whole, as between nodes, `half`
    with half of the batch, too; on two nodes, and `apart` where that could not be; and what an exchange costs."""

    alone: Rehearsal
    whole: Rehearsal
    half: Rehearsal
    exchange: ExchangeCosts
    together: tuple[PreparedJob, Rehearsal] | None = None
    apart: str | None = None

    @property
    def unsteady(self) -> list[str]:
        """A line for each that other work was in the way of."""
        alike = [self.alone] if self.whole is self.alone else [self.alone, self.whole]
        rehearsals = [*alike, self.half, *(self.together or ())[1:]]
        return [line for rehearsal in rehearsals if (line := rehearsal.unsteady)]


def calibrate(config: JobConfig, load: Load, tell: Callable[[str], None]) -> Costs:
    """What the parts of the job's step cost here; `tell` hears what is being measured.

    Runs the job with its workers and servers on a local Ray, at its own batch and at half of it, and on two nodes where
    the machine has the CPUs, and two servers that exchange slices. Raises TrainingFailed where that fails, but for two
    nodes, of which the costs have the reason; KeyboardInterrupt at SIGINT or SIGTERM.
    """
    half = prepare_job(_variant(_halved(config)))
    measured = _measure(config, prepare_job(_variant(config)), half, tell)
    for line in measured.unsteady:
        tell(line)
    alone, whole = measured.alone, measured.whole
    encode, decode = _codec_seconds(load.codec, load.layout.parameters)
    half_rows = half.config.train.batch_size * config.train.accumulate / load.workers
    compute, row = of_rows(whole.gradient, load.batch / load.workers, measured.half.gradient, half_rows)
    costs = Costs(
        alone=OneNode(alone.slowest, alone.signal, alone.update),
        compute=compute,
        compute_row=row,
        gradients=Gradients(load.workers, whole.slowest / whole.gradient, whole.spread),
        update=whole.update * load.layout.updaters / load.layout.parameters,
        add=_add_seconds(load.layout.parameters, load.layout.dtype),
        exchange=measured.exchange,
        together=None,
        apart=measured.apart,
        entangled=1.0,
        encode=encode,
        decode=decode,
        worker_memory=alone.memory["worker"],
        server_memory=alone.memory.get("server", 0),
    )
    return costs if measured.together is None else _of_two_nodes(load, costs, *measured.together)


def _measure(config: JobConfig, full: PreparedJob, half: PreparedJob, tell: Callable[[str], None]) -> Measured:
    settings, batch = config.parameter_server, config.train.batch_size * config.train.accumulate
    with ExitStack() as stack:
        warden = stack.enter_context(Warden())
        for line in (*check_temporary_folder(), "starting Ray"):
            tell(line)
        cluster = Cluster("local", object_store_bytes(full), warden, config.ray.start_seconds)
        stack.callback(cluster.close)
        pool = Pool()
        stack.callback(pool.close)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # Ray's own would end the process in an abort
        tell(f"measuring steps of {batch} samples")
        alone = whole = rehearse(full, Cluster("there", 0, warden), pool)
        if full.layout.by_rows:
            tell(f"measuring steps of {batch} samples whose tables are exchanged whole, as between nodes")
            whole = rehearse(full, Cluster("there", 0, warden), pool, by_rows=False)
        tell("measuring steps of half as many")
        smaller = rehearse(half, Cluster("there", 0, warden), pool, by_rows=False)
        tell("measuring the exchange between servers")
        nbytes = max(full.layout.parameters * full.model.dtype.itemsize // 2, 1)
        timeout, secret = settings.timeout_seconds, secrets.token_bytes(32)
        exchange = cluster.call(
            "the exchange was measured", lambda: measure_exchange(nbytes, secret, timeout, settings.encrypt), None
        )
        measured = Measured(alone, whole, smaller, exchange)
        try:
            return replace(measured, together=_on_two_nodes(config, full, warden, pool, tell))
        except (UserError, TrainingFailed) as error:
            return replace(measured, apart=str(error))


def of_rows(seconds: float, rows: float, half_seconds: float, half_rows: float) -> tuple[float, float]:
    """What a gradient takes whatever its rows, and each row: of one and a smaller one, as they were measured.

    Both are at least nothing, and make the `seconds` of the larger one, however the smaller one went.
    """
    row = min(max((seconds - half_seconds) / (rows - half_rows), 0.0), seconds / rows)
    return max(seconds - row * rows, 0.0), row


def _on_two_nodes(
    config: JobConfig, full: PreparedJob, warden: Warden, pool: Pool, tell: Callable[[str], None]
) -> tuple[PreparedJob, Rehearsal]:
    """The job on two nodes that are halves of this machine, of as many workers as there are CPUs for. Raises UserError
    where there are too few CPUs or samples for that, or too little memory, TrainingFailed where it fails."""
    wanted, cpus = max(config.scaling.num_workers, 1), config.scaling.cpus_per_worker
    workers = min(wanted, local_cpus() // (2 * cpus))
    if not workers:
        raise CapacityError(f"{plural(2 * cpus, 'CPU')} are needed and {local_cpus()} there")
    batch = min(config.train.batch_size * 2 * workers // wanted, full.splits["train"])
    job = prepare_job(_variant(config, 2 * workers, batch))
    check_memory(2 * job.layout.nbytes)
    tell(f"measuring steps of {batch * config.train.accumulate} samples on two nodes")
    return job, rehearse(job, Halved(workers * cpus, warden), pool, by_rows=False)


def _of_two_nodes(load: Load, costs: Costs, job: PreparedJob, together: Rehearsal) -> Costs:
    """The costs, with what was measured on two nodes that are halves of this machine."""
    train, workers = job.config.train, job.config.scaling.num_workers
    batch = train.batch_size * train.accumulate
    gradient = costs.compute + costs.compute_row * batch / workers
    gradients = Gradients(workers, together.slowest / gradient, together.spread)
    layout = replace(load.layout, placement=(workers // 2,))
    entangled = measured_exchange(replace(load, layout=layout), costs, together.step, together.slowest)
    return replace(costs, gradients=gradients, together=workers, entangled=entangled)


def _codec(config: JobConfig) -> Codec | None:
    settings = config.parameter_server
    return make_codec(settings.compression, settings.top_k_fraction or 1.0)


def _variant(config: JobConfig, workers: int | None = None, batch: int | None = None) -> JobConfig:
    """The job without an end; on one node, unless told how many workers it has on two, and its batch there."""
    stop = config.train.stop.model_copy(update={"max_steps": None})
    changes = {"epochs": COUNT, "stop": stop, "batch_size": batch or config.train.batch_size}
    placed = {
        "num_workers": workers or max(config.scaling.num_workers, 1),
        "min_workers": None,
        "placement": "spread" if workers else "packed",
    }
    train, scaling = config.train.model_copy(update=changes), config.scaling.model_copy(update=placed)
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


def _add_seconds(size: int, dtype: str) -> float:
    """Seconds for each element of adding two vectors."""
    one, other, out = (np.ones(size, dtype) for _ in range(3))
    return _median_seconds(lambda: np.add(one, other, out=out)) / size


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
