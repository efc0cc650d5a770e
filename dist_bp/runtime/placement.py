"""Which node gets how many workers: decided, and refused, before anything starts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dist_bp.errors import CapacityError
from dist_bp.messages import plural

REMEDY = "lower scaling.num_workers or scaling.cpus_per_worker, or add nodes"


@dataclass(frozen=True)
class Node:
    """A machine of the cluster: Ray's id of it, its IP address and its CPUs."""

    id: str
    host: str
    cpus: float


@dataclass(frozen=True)
class Bundle:
    """A part of the placement group that a process runs in: its index there, Ray's id of its node, and its CPUs."""

    index: int
    node: str
    cpus: float


@dataclass(frozen=True)
class Place:
    """A node and how many workers it gets."""

    node: Node
    workers: int


def place(
    workers: int, cpus_per_worker: int, nodes: Sequence[Node], how: Literal["packed", "spread"] = "packed"
) -> list[Place]:
    """Gives every worker a node, the largest nodes first; nodes without a worker are left out.

    `packed` fills one node after the other, `spread` gives each in turn one. Raises CapacityError, naming the nodes.
    """
    room = {node: int(node.cpus // cpus_per_worker) for node in nodes}
    if sum(room.values()) < workers:
        raise CapacityError(_refusal(workers, cpus_per_worker, room))
    given = dict.fromkeys(sorted(nodes, key=lambda node: -room[node]), 0)
    left = workers
    while left:
        for node in given:
            free = room[node] - given[node]
            taken = min(free, left if how == "packed" else 1, left)
            given[node] += taken
            left -= taken
    return [Place(node, count) for node, count in given.items() if count]


def within(bundles: Sequence[Bundle], nodes: Sequence[Node]) -> list[Node]:
    """The nodes of the bundles, each with the CPUs of its bundles alone."""
    cpus: dict[str, float] = {}
    for bundle in bundles:
        cpus[bundle.node] = cpus.get(bundle.node, 0) + bundle.cpus
    return [replace(node, cpus=cpus[node.id]) for node in nodes if node.id in cpus]


def _refusal(workers: int, cpus_per_worker: int, room: dict[Node, int]) -> str:
    needed = (
        f"the job needs {plural(workers * cpus_per_worker, 'CPU')} ({plural(workers, 'worker')} x {cpus_per_worker})"
    )
    if len(room) == 1:
        (node,) = room
        return f"{needed}, this Ray has {node.cpus:g}: {REMEDY}"
    held = ", ".join(f"{node.host} has {node.cpus:g} for {count}" for node, count in room.items())
    return f"{needed}, its nodes hold {plural(sum(room.values()), 'worker')} ({held}): {REMEDY}"
