"""The actors of a run."""

import gc
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from dist_bp.errors import CapacityError
from dist_bp.processes import Known, known
from dist_bp.ps.doorbell import Peer
from dist_bp.ps.keeper import Keeper
from dist_bp.ps.member import Member
from dist_bp.runtime.memory import keep_freed_memory
from dist_bp.runtime.plan import RunPlan, call, limit_threads, make_process
from dist_bp.runtime.pool import Post


class Host:
    """What an actor is: hosts a process of one run after the other and passes calls on to it.

    It is made by the first call of a run, so that its errors reach the driver as they are.
    """

    def __init__(self) -> None:
        self._process: Keeper | Member | None = None

    def assign(self, plan: RunPlan, peer: Peer) -> None:
        """From now on it belongs to this run."""
        self._plan, self._peer = plan, peer

    def release(self) -> None:
        """Lets go of its run, with all memory and connections."""
        process, self._process = self._process, None
        if process is not None:
            process.close()
            del process
            gc.collect()  # views of the arena, which goes with the last of them

    def pid(self) -> int:
        return os.getpid()

    def call(self, method: str, *arguments: Any) -> Any:
        self.prepare()
        assert self._process is not None
        return call(self._process, method, arguments)

    def prepare(self) -> Known:
        """Makes what it hosts, so that the first call takes no longer than others; returns its process."""
        if self._process is None:
            self._limit()
            self._process = self._made()
        return known([os.getpid()])

    def prepare_aside(self) -> Known:
        """The same in a thread that leaves the processors to all others."""
        self._limit()  # here, for threads of BLAS are like the one that makes them
        with ThreadPoolExecutor(1, initializer=_lowest_priority) as aside:
            return aside.submit(self.prepare).result()

    def _limit(self) -> None:
        limit_threads(self._plan.config.scaling.cpus_per_worker if self._peer.role == "worker" else 1)

    def _made(self) -> Keeper | Member:
        if not self._plan.prepared.is_dir():
            raise CapacityError(
                f"{socket.gethostname()} has not got the prepared data in {self._plan.prepared}: "
                "set data.prepared to a folder that all nodes share"
            )
        keep_freed_memory()
        return make_process(self._plan, self._peer)


class ServerProcess(Host):
    """A server's actor: the class names its process."""


class WorkerProcess(Host):
    """A worker's actor."""


class KeeperProcess(Host):
    """A keeper's actor."""


HOSTS = {"server": ServerProcess, "worker": WorkerProcess, "keeper": KeeperProcess}


def _lowest_priority() -> None:
    """Of this thread, which then has a processor where nobody else wants it."""
    with suppress(OSError):  # a sandbox may forbid it
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def started(post: Post) -> Any:
    """An actor at its post, which begins to start; for within a call of the cluster."""
    import ray

    options = {"num_cpus": post.cpus, "max_restarts": 0, "scheduling_strategy": _strategy(post)}
    return ray.remote(HOSTS[post.role]).options(**options).remote()


def _strategy(post: Post) -> Any:
    from ray.util import get_current_placement_group
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

    if isinstance(post.place, str):
        return NodeAffinitySchedulingStrategy(post.place, soft=False)
    return PlacementGroupSchedulingStrategy(get_current_placement_group(), placement_group_bundle_index=post.place)
