"""Servers and workers as threads of this process: the same code without Ray, for tests and `num_workers: 0`."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from dist_bp.metrics import Metric
from dist_bp.ps.doorbell import Peer
from dist_bp.ps.server import Server
from dist_bp.ps.worker import Worker
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.plan import RunPlan, call, limit_threads, make_server, make_worker


class ThreadRuntime(Runtime):
    """Every server and worker is an object here; each call of one runs on a thread."""

    def __init__(self, plan: RunPlan, metrics: Mapping[str, Metric]) -> None:
        super().__init__(plan, metrics)
        self._limits: Any = None
        self._members: dict[Peer, Server | Worker] = {}
        self._pool = ThreadPoolExecutor(
            max_workers=plan.workers + plan.nodes * plan.servers, thread_name_prefix="dist_bp"
        )

    def member(self, peer: Peer) -> Server | Worker:
        """The object itself, for measurements."""
        return self._members[peer]

    def _launch(self) -> None:
        self._limits = limit_threads(self.plan.config.scaling.cpus_per_worker)
        for server in self.servers:
            self._members[server] = make_server(self.plan, server.rank)
        for worker in self.workers:
            self._members[worker] = make_worker(self.plan, worker.rank)

    def _submit(self, peer: Peer, method: str, arguments: tuple[Any, ...]) -> Future[Any]:
        return self._pool.submit(call, self._members[peer], method, arguments)

    def close(self) -> None:
        for member in self._members.values():
            member.close()
        self._members.clear()
        self._pool.shutdown(wait=True)
        if self._limits:
            self._limits.restore_original_limits()
