"""The processes of a run as Ray actors. Ray places, starts and watches them; no gradient passes through it."""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

from dist_bp.errors import UserError
from dist_bp.metrics import Metric
from dist_bp.processes import Known
from dist_bp.ps.arena import Arena, Part, Snapshot
from dist_bp.ps.bringup import Call
from dist_bp.ps.bringup import call as ask
from dist_bp.ps.doorbell import Peer
from dist_bp.ps.keeper import Keeper
from dist_bp.runtime.actors import Actors
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.growth import Growth
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.pool import Pool, Post
from dist_bp.runtime.room import Room, find_more, find_room
from dist_bp.runtime.spares import Spare, Spares
from dist_bp.runtime.survey import Progress

FREE_SECONDS = 2.0
"""How long the CPUs of a worker that is lost may take to be free."""

T = TypeVar("T")


class RayRuntime(Runtime):
    """Each process is an actor of its own; workers reserve their CPUs, all others run in their gaps.

    Within a placement group, such as that of a sweep's trial, they stay in its bundles. Those that a `pool` has are
    used again, and go back there unless something went wrong with them. Raises CapacityError where the nodes cannot
    hold the workers.
    """

    def __init__(
        self, plan: RunPlan, metrics: Mapping[str, Metric], cluster: Cluster, pool: Pool | None = None
    ) -> None:
        self._cluster = cluster
        self._pool = pool
        self.actors = Actors(cluster, pool or Pool(), plan.timeout)
        self._guarded: list[int] = []
        """Processes of the actors on this machine."""
        self._arena: Arena | None = None
        self._sound = True
        """Whether every call so far was answered, and so nobody is in the middle of anything."""
        self._growth: Growth | None = None
        self._next: Room | None = None
        """Where the processes are to be formed anew, if that is known."""
        self._bounds: dict[str, int] = {}
        """Of nodes that could not do with more workers, with how many they could."""
        self._room = self._before = find_room(plan.config, cluster, own=self.actors.reserved())
        """Where they are, and were before they were to become more."""
        super().__init__(self._room.planned(plan), metrics, cluster.trouble)

    def _take(self, plan: RunPlan) -> None:
        self._room, self._next = self._next or self._room, None
        super()._take(plan)
        here = self.recovers and self._room.places[0].node.id == self._room.own_node
        # On a cluster of many others may take the CPUs of a worker that is lost, and a spare has reserved none.
        alone = self._cluster.local or bool(self._room.bundles)
        wanted = plan.config.failure.spare_workers if here and alone else 0
        self._spares = Spares(wanted, self._new_spare, self.actors.end_spare)

    def _planned(self) -> RunPlan:
        self._next = self._next or self._freed_room()
        return self._next.planned(self.plan)

    def _freed_room(self) -> Room:
        """Ray knows that a worker has died a moment before its CPUs are free: whoever looked at once would do with
        fewer workers, and grow soon after."""
        present = {node.id for node in self._cluster.nodes}
        had = sum(workers for node, workers in self._room.workers.items() if node in present)
        deadline = time.monotonic() + FREE_SECONDS
        while sum((room := self._found_room()).workers.values()) < had and time.monotonic() < deadline:
            time.sleep(FREE_SECONDS / 20)
        return room

    @property
    def may_grow(self) -> bool:
        try:
            return self._growth is not None and self._growth.room is not None
        except Exception:
            self._end_growth()
            raise

    def grow(self, snapshot: Snapshot) -> None:
        self._next, self._before = self._growth.room if self._growth else None, self._room
        super().grow(snapshot)

    def stay(self, snapshot: Snapshot) -> None:
        self._next, had = self._before, self._before.workers
        more = [node for node, workers in self._room.workers.items() if workers > had.get(node, 0)]
        self._bounds = self._bounds | {node: had.get(node, 0) for node in more}  # another: a look may read the old one
        super().stay(snapshot)

    def _more_room(self) -> Room | None:
        working = Counter(self.plan.node_of(worker) for worker in self.workers)
        room, free = self._room, self._cluster.free_nodes()
        if self._bounds and not find_more(self.plan.config, room, working, free):
            self._bounds = {}  # what could not be used is gone: should it come again it may be another
        return find_more(self.plan.config, room, working, free, self._bounds)

    def _found_room(self) -> Room:
        return find_room(self.plan.config, self._cluster, self._bounds, self.actors.reserved())

    @property
    def lacking(self) -> str | None:
        try:
            self._found_room()
        except UserError as error:
            return str(error)
        return None

    def _launch(self) -> None:
        self.actors.make(self.plan, {peer: self._post(peer) for peer in (*self.keepers, *self.servers, *self.workers)})

    def _post(self, peer: Peer) -> Post:
        return self._room.post(self.plan, peer)

    def _host(self, node: int) -> str:
        return self._room.places[node].node.host

    def _joined(self) -> None:
        self._open_arena()
        if len(self.workers) < sum(self.plan.placement) and not self._room.bundles:
            self._growth = Growth(self._more_room)
        if self.recovers:  # those for whom there is no room yet begin once there is
            present = {worker.rank for worker in self.workers}
            self.replace(Peer("worker", rank) for rank in self.plan.shares(0) if rank not in present)

    def _open_arena(self) -> None:
        """Opens the arena beside Ray, where it is on this machine: Ray passes larger arrays on through its raylet."""
        pids = self.pids()
        nodes = [place.node.id for place in self._room.places]
        here = [peer for peer in pids if nodes[self.plan.node_of(peer)] == self._room.own_node]
        self._guarded = [pids[peer] for peer in here]
        self._cluster.settled(self._guarded)
        if self.plan.nodes == 1 and here:
            ((path, layout),) = self._ask([ask(self.keepers[0], Keeper.memory)], self._timeout)
            with suppress(OSError), open(path, "r+b", buffering=0) as file:  # where this process may not look at others
                self._arena = Arena(layout, file.fileno(), populate=False)

    @property
    def recovers(self) -> bool:
        """On one node, where every update waits for all gradients and workers are servers, too."""
        return self.plan.nodes == 1 and not self.plan.servers

    def _take_in(self) -> None:
        super()._take_in()
        if not self._coming:  # else these wait for CPUs, or have just begun
            self._guard(self._spares.tend())

    def _progress(self, patience: float) -> Progress | None:
        """As words of the arena say it."""
        if not (arena := self._arena) or not self.recovers:
            return None
        workers, first = list(self.workers), self.plan.shares(0).start

        def stages() -> dict[Peer, int]:
            return {worker: arena.stages[worker.rank - first] for worker in workers}

        return Progress(stages, patience, lambda: [*arena.signs])

    def start_again(self, peer: Peer) -> Future[Known]:
        if spare := self._spares.take():
            return self.actors.stand_in(peer, spare)
        return self.actors.start_again(self.plan, peer, self._post(peer))

    def _new_spare(self) -> Spare:
        """It is made as any worker of the node, and joins as another."""
        peer = Peer("worker", self.plan.shares(0).start)
        return self.actors.start_spare(self.plan, peer, self._post(peer))

    def _guard(self, pids: Collection[int]) -> None:
        if pids and self._room.places[0].node.id == self._room.own_node:  # on another they would be others' here
            self._guarded += pids
            self._cluster.settled(pids)

    def _look(self) -> None:
        self._cluster.look()

    def _read(self) -> list[Part]:
        return [self._arena.read(self._version)] if self._arena else super()._read()

    def _write(self, snapshot: Snapshot) -> None:
        if self._arena is None:
            super()._write(snapshot)
        else:
            self._arena.write(0, snapshot)

    def pids(self, peers: Iterable[Peer] | None = None) -> dict[Peer, int]:
        """The processes of these, or of all that are there."""
        return self.actors.pids((*self.keepers, *self.servers, *self.workers) if peers is None else peers)

    @property
    def spares(self) -> list[int]:
        """The processes that are ready to take the place of a worker."""
        return self._spares.ready

    def submit(self, asked: Call[T]) -> Future[T]:
        return self.actors.submit(asked)

    def _ask(self, calls: Sequence[Call[T]], seconds: float, ending: Future[str] | None = None) -> list[T]:
        self._sound = False
        answers = super()._ask(calls, seconds, ending)
        self._sound = True
        return answers

    def _survey(
        self, calls: Sequence[Call[T]], seconds: float, silence: float, progress: Progress | None = None
    ) -> tuple[list[T], dict[Peer, str]]:
        self._sound = False
        answers = super()._survey(calls, seconds, silence, progress)
        self._sound = True
        return answers

    def close(self) -> None:
        self._end_growth()
        try:
            if not self._trouble.done():
                self._spares.close()
                self._release()
        finally:
            self.actors.forget()
            self._arena = None
            self._cluster.close()

    def _release(self) -> None:
        if self._pool and self._sound:
            self.actors.let_go(self._coming)
            self._cluster.spare(self._guarded)
        else:
            self.actors.end()

    def _end_growth(self) -> None:
        growth, self._growth = self._growth, None
        if growth:
            growth.close()

    def _part(self) -> None:
        self._end_growth()
        self._arena = None
        self._spares.close()
        present = {node.id for node in self._cluster.nodes}
        gone = [peer for peer in self.actors if self._room.places[self.plan.node_of(peer)].node.id not in present]
        self.actors.let_go([*self.keepers, *gone, *self._coming])  # whoever waits for a keeper hears of its end at once
