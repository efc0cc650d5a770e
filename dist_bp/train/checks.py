"""Checks before anything starts: processors, memory, disk and the tracking store."""

import platform
from pathlib import Path

import psutil

from dist_bp.build import build_batches
from dist_bp.checkpoint import CheckpointStore
from dist_bp.config import JobConfig
from dist_bp.control_group import memory_left
from dist_bp.data.samples import padded
from dist_bp.errors import CapacityError
from dist_bp.messages import plural
from dist_bp.runtime.cluster import OBJECT_STORE_BYTES, check_address, cluster_address, this_machine
from dist_bp.runtime.placement import place
from dist_bp.runtime.plan import arena_layout
from dist_bp.runtime.temporary import check_temporary_folder
from dist_bp.track.store import check_store, resolve_uri
from dist_bp.train.footprint import step_bytes
from dist_bp.train.setup import PreparedJob


def check_job(job: PreparedJob) -> list[str]:
    """What people should know of this machine, a line each.

    Raises CapacityError, CheckpointError or TrackingError where the job cannot run or be recorded here.
    """
    notes = []
    config = job.config
    check_processor(config.scaling.num_workers)
    check_store(resolve_uri(config.tracking.tracking_uri))
    scaling, here = config.scaling, cluster_address(config.ray.address) == "local"
    if scaling.num_workers == 0:
        check_memory(job.layout.nbytes)
        check_step(job)
    elif here:
        place(scaling.num_workers, scaling.cpus_per_worker, [this_machine()], least=scaling.min_workers)
        notes = check_temporary_folder()
        check_memory(job.layout.nbytes + object_store_bytes(job))
        check_step(job)
    else:
        check_address(cluster_address(config.ray.address))
        notes = _rounding(job)
    check_checkpoints(job)
    return notes


def check_processor(workers: int) -> None:
    """Workers tell each other through shared words of memory, without a barrier, that what they wrote before is there:
    x86-64 keeps the order of these stores. Raises CapacityError on other processors."""
    machine = platform.machine()
    if workers and machine not in ("x86_64", "AMD64"):
        raise CapacityError(
            f"processes that share memory need an x86-64 processor, this is {machine}: train there, "
            "or with scaling.num_workers=0, in threads of one process"
        )


def _rounding(job: PreparedJob) -> list[str]:
    """A line where bits change as the run grows from one node to several, or goes on on one."""
    if job.config.train.clip_norm is None or not arena_layout(job).by_rows:
        return []
    return [
        "train.clip_norm: with a large embedding the norm is rounded in another order on several nodes than on one, so "
        "bits depend on whether there are several"
    ]


def idle_settings(config: JobConfig, nodes: int) -> list[str]:
    """A line for each setting that does nothing with workers on so many nodes."""
    settings, failure = config.parameter_server, config.failure
    idle = []
    if nodes == 1:
        given = {"compression": settings.compression != "none", "encrypt": settings.encrypt}
        idle = [f"parameter_server.{name} does nothing: all workers are on one node" for name in given if given[name]]
    why = _not_replaced(config, nodes)
    if why and failure.hang_seconds:
        counts = "; parameter_server.timeout_seconds counts" if nodes > 1 else ""
        idle.append(f"failure.hang_seconds does nothing: {why}{counts}")
    if cluster_address(config.ray.address) != "local":
        why = why or "this cluster may have other jobs, and a spare worker reserves no CPU"
    if why and failure.spare_workers:
        idle.append(f"failure.spare_workers does nothing: {why}")
    return idle


def _not_replaced(config: JobConfig, nodes: int) -> str | None:
    """Why no worker is replaced while the others go on; None where that is done."""
    if config.scaling.num_workers == 0:
        return "workers have no processes"
    return "workers are on several nodes" if nodes > 1 else None


def check_checkpoints(job: PreparedJob) -> None:
    settings = job.config.checkpoint
    folder = Path(settings.directory)
    existed = folder.exists()
    CheckpointStore(folder).check_writable((settings.keep + 2) * job.checkpoint(job.initial).nbytes)
    if not existed:
        folder.rmdir()


def object_store_bytes(job: PreparedJob) -> int:
    """What Ray needs for snapshots: the best, the one being written, one on its way to the driver and one back."""
    slots = len(job.layout.optimizer)
    return 4 * (1 + slots) * job.layout.parameters * job.model.dtype.itemsize + OBJECT_STORE_BYTES


def check_step(job: PreparedJob) -> None:
    """Raises CapacityError where the signals of a step of all workers cannot fit into the memory of this machine."""
    workers, train = max(job.config.scaling.num_workers, 1), job.prepared.split("train")
    rows = build_batches(job.config, train, workers).largest
    available = _available()
    longest = 0 if train.lengths is None else padded(train.lengths)
    needed = workers * step_bytes(job.model, rows, longest, available / workers)
    if needed <= available:
        return
    padding, cut = "", ""
    if train.lengths is not None:
        padding = f", which are padded to the longest of them, {int(train.lengths.max()):,} positions,"
        cut = "cut long samples, such as texts with max_length of tokenize, or "
    where = f" in each of {workers} workers" if workers > 1 else ""
    raise CapacityError(
        f"a step of {plural(rows, 'sample')}{where}{padding} needs at least {needed / 2**30:.1f} GiB of memory, "
        f"{available / 2**30:.1f} GiB are free: {cut}lower train.batch_size and, as a worker takes whole groups, "
        "train.group_size (train.accumulate then keeps as many samples in an update)"
    )


def _available() -> float:
    """Bytes of memory."""
    return min(float(psutil.virtual_memory().available), memory_left())


def check_memory(needed: int) -> None:
    """The arena, and what a snapshot of it takes on its way through Ray."""
    available = _available()
    if needed > available:
        raise CapacityError(
            f"parameters, gradients and optimizer state need {needed / 2**20:.0f} MiB of shared memory, "
            f"{available / 2**20:.0f} MiB are free: use a smaller model, fewer workers or float32"
        )
