"""Where the processes of a run go: the nodes and bundles that are there, and what each of them gets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from dist_bp.config import JobConfig
from dist_bp.errors import CapacityError
from dist_bp.ps.doorbell import Peer
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.placement import Bundle, Node, Place, place, within
from dist_bp.runtime.plan import RunPlan, check_not_lazy, is_lazy, shares_of
from dist_bp.runtime.pool import Post

NOBODY: Mapping[str, int] = {}


@dataclass(frozen=True)
class Room:
    """The `places` of a run; within a placement group they are in its `bundles`. `own_node` is Ray's id of the driver's
    node."""

    places: list[Place]
    bundles: list[Bundle]
    own_node: str

    @property
    def workers(self) -> dict[str, int]:
        """For how many there is room on each node, by its id."""
        return {one.node.id: one.workers for one in self.places}

    def planned(self, plan: RunPlan) -> RunPlan:
        """The plan, for these places."""
        shares = tuple(one.shares for one in self.places)
        return replace(plan, placement=shares, processes=tuple(one.workers for one in self.places))

    def post(self, plan: RunPlan, peer: Peer) -> Post:
        """Where the actor of a process goes: the node that was chosen for it, within a placement group a bundle
        there."""
        is_worker, node = peer.role == "worker", plan.node_of(peer)
        cpus = plan.config.scaling.cpus_per_worker
        where: str | int = self.places[node].node.id
        if self.bundles:
            rooms = [(bundle.index, int(bundle.cpus // cpus)) for bundle in self.bundles if bundle.node == where]
            here = [index for index, room in rooms for _ in range(room)]
            where = here[(peer.rank - plan.shares(node).start) % len(here)] if is_worker else here[0]
        return Post(peer.role, cpus if is_worker else 0, where)


def find_room(
    config: JobConfig, cluster: Cluster, bounds: Mapping[str, int] = NOBODY, own: Mapping[str, float] = NOBODY
) -> Room:
    """What there is now; `bounds` are how many workers there may be on nodes, by their ids, and `own` how many CPUs
    the run itself has reserved there.

    A run that may begin with fewer workers leaves out those whose CPUs others have reserved, unless too few are left:
    then it waits for CPUs as any other. Raises CapacityError, naming the nodes, where they cannot hold the workers;
    ConfigError where only several can, and the optimizer is for workers of one.
    """
    nodes = cluster.nodes
    bundles = [bundle for bundle in cluster.bundles if bundle.cpus >= config.scaling.cpus_per_worker]
    places = _places(config, _bounded(config, within(bundles, nodes) if bundles else nodes, bounds))
    if (config.scaling.min_workers or shares_of(config)) < shares_of(config) and not bundles and not cluster.local:
        free = _usable(cluster.call("its free CPUs were asked for", cluster.free_nodes), own)
        most = {node.id: node.cpus for node in nodes}  # of one that was just lost Ray may count the CPUs, too
        there = [replace(node, cpus=min(node.cpus, most.get(node.id, 0))) for node in free]
        places = _fitting(config, _bounded(config, there, bounds)) or places
    if len(places) > 1:
        check_not_lazy(config)
    return Room(places, bundles, nodes[0].id)


def find_more(
    config: JobConfig,
    room: Room,
    working: Mapping[int, int],
    free: Sequence[Node],
    bounds: Mapping[str, int] = NOBODY,
) -> Room | None:
    """Room for more workers than those of `room`, of which so many work on each of its places; None without any.

    `free` are the nodes with the CPUs that nobody has reserved, `bounds` as those of `find_room`. On a single node
    workers join as CPUs come, by themselves.
    """
    if not working:
        return None
    cpus = config.scaling.cpus_per_worker
    own = {room.places[place].node.id: count * cpus for place, count in working.items()}
    nodes = _bounded(config, _usable(free, own), bounds)
    places = _fitting(config, nodes)
    if places is None:
        return None
    had = sum(working.values())
    if len(room.places) == 1:
        shares = shares_of(config)
        had = max([had, *(min(int(node.cpus // cpus), shares) for node in nodes if node.id in own)])
    return Room(places, [], room.own_node) if sum(place.workers for place in places) > had else None


def _usable(free: Sequence[Node], own: Mapping[str, float]) -> list[Node]:
    """The nodes, with the CPUs of the run's own beside those that are free."""
    return [replace(node, cpus=node.cpus + own.get(node.id, 0)) for node in free]


def _fitting(config: JobConfig, nodes: Sequence[Node]) -> list[Place] | None:
    """What the nodes have for a run; None where that is too little."""
    try:
        places = _places(config, nodes)
    except CapacityError:
        return None
    return None if len(places) > 1 and is_lazy(config) else places


def _bounded(config: JobConfig, nodes: Sequence[Node], bounds: Mapping[str, int]) -> list[Node]:
    """The nodes, with the CPUs of no more workers than that."""
    most = {node: count * config.scaling.cpus_per_worker for node, count in bounds.items()}
    return [replace(node, cpus=min(node.cpus, most.get(node.id, node.cpus))) for node in nodes]


def _places(config: JobConfig, nodes: Sequence[Node]) -> list[Place]:
    """Of a lazy optimizer all are packed on the largest node, where that holds as many as there have to be."""
    scaling, shares = config.scaling, shares_of(config)
    if is_lazy(config) and scaling.placement == "packed" and nodes:
        largest = max(nodes, key=lambda node: node.cpus)
        if largest.cpus // scaling.cpus_per_worker >= (scaling.min_workers or shares):
            nodes = [largest]
    return place(shares, scaling.cpus_per_worker, nodes, scaling.placement, scaling.min_workers)
