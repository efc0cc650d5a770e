"""Servers and workers as Ray actors. Ray places, starts and watches them; no gradient passes through it."""

import gc
import os
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from dist_bp.errors import CapacityError
from dist_bp.metrics import Metric
from dist_bp.ps.arena import Snapshot
from dist_bp.ps.doorbell import Peer
from dist_bp.ps.server import Server
from dist_bp.ps.worker import Worker
from dist_bp.runtime.base import ProcessDied, Runtime
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.memory import keep_freed_memory
from dist_bp.runtime.placement import Place, place, within
from dist_bp.runtime.plan import RunPlan, call, limit_threads, make_server, make_worker
from dist_bp.runtime.pool import Pool, Post


class Member:
    """What an actor is: hosts one server or worker of a run after the other and passes calls on to it.

    The member is made by the first call of a run, so that its errors reach the driver as they are.
    """

    def __init__(self) -> None:
        self._member: Server | Worker | None = None

    def assign(self, plan: RunPlan, peer: Peer) -> None:
        """From now on it belongs to this run."""
        self._plan, self._peer = plan, peer

    def release(self) -> None:
        """Lets go of its run, with all memory and connections."""
        member, self._member = self._member, None
        if member is not None:
            member.close()
            del member
            gc.collect()  # views of the arena, which goes with the last of them

    def pid(self) -> int:
        return os.getpid()

    def call(self, method: str, *arguments: Any) -> Any:
        if self._member is None:
            self._member = self._made()
        return call(self._member, method, arguments)

    def _made(self) -> Server | Worker:
        if not self._plan.prepared.is_dir():
            raise CapacityError(
                f"{socket.gethostname()} has not got the prepared data in {self._plan.prepared}: "
                "set data.prepared to a folder that all nodes share"
            )
        if self._peer.role == "server":
            limit_threads(1)
            keep_freed_memory()
            return make_server(self._plan, self._peer.rank)
        limit_threads(self._plan.config.scaling.cpus_per_worker)
        return make_worker(self._plan, self._peer.rank)


class ServerProcess(Member):
    """A server's actor: the class names its process."""


class WorkerProcess(Member):
    """A worker's actor."""


class RayRuntime(Runtime):
    """Each server and worker is an actor of its own; workers reserve their CPUs, servers run in their gaps.

    Within a placement group, such as that of a sweep's trial, they stay in its bundles. Those that a `pool` has are
    used again, and go back there unless something went wrong with them. Raises CapacityError where the nodes cannot
    hold the workers.
    """

    def __init__(
        self, plan: RunPlan, metrics: Mapping[str, Metric], cluster: Cluster, pool: Pool | None = None
    ) -> None:
        scaling = plan.config.scaling
        self._bundles = [bundle for bundle in cluster.bundles if bundle.cpus >= scaling.cpus_per_worker]
        nodes = within(self._bundles, cluster.nodes) if self._bundles else cluster.nodes
        self._places: list[Place] = place(plan.workers, scaling.cpus_per_worker, nodes, scaling.placement)
        super().__init__(replace(plan, placement=tuple(place.workers for place in self._places)), metrics)
        self._cluster = cluster
        self._pool = pool
        self._actors: dict[Peer, Any] = {}
        self._sound = True
        """Whether every call so far was answered, and so nobody is in the middle of anything."""

    def _launch(self) -> None:
        peers = (*self.servers, *self.workers)
        posts = [self._post(peer) for peer in peers]
        warm = self._pool.take(posts) if self._pool else [None] * len(posts)
        for peer, post, actor in zip(peers, posts, warm, strict=True):
            self._actors[peer] = actor or self._started(post)
            self._actors[peer].assign.remote(self.plan, peer)

    def _started(self, post: Post) -> Any:
        import ray

        kind: type[Member] = WorkerProcess if post.role == "worker" else ServerProcess
        return (
            ray.remote(kind)
            .options(
                num_cpus=post.cpus,
                max_restarts=0,
                scheduling_strategy=_strategy(post),
            )
            .remote()
        )

    def _post(self, peer: Peer) -> Post:
        """Where its actor goes: the node that was chosen for it, within a placement group a bundle there."""
        is_worker = peer.role == "worker"
        cpus = self.plan.config.scaling.cpus_per_worker
        node = self.plan.node_of(peer.rank) if is_worker else peer.rank // self.plan.servers
        place: str | int = self._places[node].node.id
        if self._bundles:
            rooms = [(bundle.index, int(bundle.cpus // cpus)) for bundle in self._bundles if bundle.node == place]
            here = [index for index, room in rooms for _ in range(room)]
            place = here[peer.rank - sum(self.plan.placement[:node])] if is_worker else here[0]
        return Post(peer.role, cpus if is_worker else 0, place)

    def _host(self, node: int) -> str:
        return self._places[node].node.host

    def start(self, snapshot: Snapshot) -> None:
        super().start(snapshot)
        self._cluster.settled()

    def pids(self) -> dict[Peer, int]:
        """The processes of the actors, for measurements and tests."""
        import ray

        return {peer: ray.get(actor.pid.remote(), timeout=self.plan.timeout) for peer, actor in self._actors.items()}

    def _submit(self, peer: Peer, method: str, arguments: tuple[Any, ...]) -> Future[Any]:
        result: Future[Any] = Future()
        reply = self._actors[peer].call.remote(method, *arguments).future()
        reply.add_done_callback(lambda future: _settle(future, result, peer))
        return result

    def _ask(self, calls: Sequence[tuple[Peer, str, tuple[Any, ...]]], seconds: float) -> list[Any]:
        self._sound = False
        answers = super()._ask(calls, seconds)
        self._sound = True
        return answers

    def close(self) -> None:
        import ray

        try:
            if self._pool and self._sound:
                self._pool.keep((self._post(peer), actor) for peer, actor in self._actors.items())
            else:
                for actor in self._actors.values():
                    ray.kill(actor)
        finally:
            self._actors.clear()
            self._cluster.close()


def _settle(reply: Future[Any], result: Future[Any], peer: Peer) -> None:
    """Copies Ray's answer, with Ray's exceptions turned into ours."""
    error = reply.exception()
    if error is None:
        result.set_result(reply.result())
    else:
        result.set_exception(_translate(error, peer))


def _translate(error: BaseException, peer: Peer) -> BaseException:
    from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError

    if isinstance(error, RayTaskError):
        cause = error.cause if isinstance(error.cause, Exception) else error
        cause.add_note(str(error))  # the traceback where it was raised
        return cause
    if isinstance(error, ActorDiedError | ActorUnavailableError):
        return ProcessDied(f"{peer} died: its process ended or was killed")
    return error


def _strategy(post: Post) -> Any:
    from ray.util import get_current_placement_group
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

    if isinstance(post.place, str):
        return NodeAffinitySchedulingStrategy(post.place, soft=False)
    return PlacementGroupSchedulingStrategy(get_current_placement_group(), placement_group_bundle_index=post.place)
