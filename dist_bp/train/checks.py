"""Checks before anything starts: processors, memory, disk and the tracking store."""

from pathlib import Path

import psutil

from dist_bp.checkpoint import CheckpointStore
from dist_bp.errors import CapacityError
from dist_bp.runtime.cluster import check_capacity, local_cpus
from dist_bp.track.store import check_store, resolve_uri
from dist_bp.train.setup import Job


def check_job(job: Job) -> None:
    """Raises CapacityError, CheckpointError or TrackingError where the job cannot run or be recorded here."""
    config = job.config
    check_store(resolve_uri(config.tracking.tracking_uri))
    if config.scaling.num_workers and config.ray.address == "local":
        check_capacity(config.scaling.num_workers, config.scaling.cpus_per_worker, local_cpus())
    check_memory(job.layout.nbytes)
    snapshot = job.checkpoint(job.initial)
    store = CheckpointStore(Path(config.checkpoint.directory))
    store.check_writable((config.checkpoint.keep + 2) * snapshot.nbytes)


def check_memory(needed: int) -> None:
    """The arena lives in memory that is neither swapped nor shared with others."""
    available = min(psutil.virtual_memory().available, _control_group_memory())
    if needed > available:
        raise CapacityError(
            f"parameters, gradients and optimizer state need {needed / 2**20:.0f} MiB of shared memory, "
            f"{available / 2**20:.0f} MiB are free: use a smaller model, fewer workers or float32"
        )


def _control_group_memory() -> float:
    """What a container's limit leaves (cgroup v2), infinite where there is none."""
    folder = Path("/sys/fs/cgroup")
    try:
        limit, used = (folder / "memory.max").read_text(), (folder / "memory.current").read_text()
        return float(limit) - float(used) if limit.strip() != "max" else float("inf")
    except (OSError, ValueError):
        return float("inf")
