"""The processes of a run as objects of this one: the same code without Ray, for tests and `num_workers: 0`."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from dist_bp.metrics import Metric
from dist_bp.ps.bringup import Call
from dist_bp.ps.doorbell import Peer
from dist_bp.ps.keeper import Keeper
from dist_bp.ps.member import Member
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.plan import RunPlan, call, limit_threads, make_process

T = TypeVar("T")


class ThreadRuntime(Runtime):
    """Every process is an object here, with a thread that makes its calls one after the other, as an actor's would.

    A thread each: calls wait for each other, and of a pool that all of them share a thread may be counted as free that
    is not (Python 3.13).
    """

    def __init__(self, plan: RunPlan, metrics: Mapping[str, Metric], trouble: Future[str] | None = None) -> None:
        super().__init__(plan, metrics, trouble)
        self._limits: Any = None
        self._processes: dict[Peer, Keeper | Member] = {}
        self._threads: dict[Peer, ThreadPoolExecutor] = {}

    def process(self, peer: Peer) -> Keeper | Member:
        """The object itself, for measurements."""
        return self._processes[peer]

    def _launch(self) -> None:
        self._limits = self._limits or limit_threads(self.plan.config.scaling.cpus_per_worker)
        for peer in (*self.keepers, *self.servers, *self.workers):
            self._processes[peer] = make_process(self.plan, peer)
            self._threads[peer] = ThreadPoolExecutor(1, thread_name_prefix=str(peer))

    def submit(self, asked: Call[T]) -> Future[T]:
        process = self._processes[asked.peer]
        return self._threads[asked.peer].submit(call, process, asked.method, asked.arguments)

    def _part(self) -> None:
        for peer, process in self._processes.items():
            process.close()
            self._threads[peer].shutdown(wait=False)
        self._processes.clear()

    def close(self) -> None:
        self._part()
        for thread in self._threads.values():
            thread.shutdown(wait=True)
        if self._limits:
            self._limits.restore_original_limits()
