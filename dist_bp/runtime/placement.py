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
    """A node, how many shares it gets, and for how many workers it has room."""

    node: Node
    shares: int
    workers: int


def place(
    shares: int,
    cpus_per_worker: int,
    nodes: Sequence[Node],
    how: Literal["packed", "spread"] = "packed",
    least: int | None = None,
) -> list[Place]:
    """Gives every share a node, the largest nodes first; nodes without one are left out.

    `packed` fills one node after the other, `spread` gives each in turn one. Where there is room for `least` workers
    (unless told one a share) but not for all, nodes get more shares than workers. Raises CapacityError, naming the
    nodes.
    """
    least = shares if least is None else least
    room = {node: int(node.cpus // cpus_per_worker) for node in nodes}
    if sum(room.values()) < least:
        raise CapacityError(_refusal(least, cpus_per_worker, room))
    given = dict.fromkeys(sorted(nodes, key=lambda node: -room[node]), 0)
    left = shares
    while left > max(shares - sum(room.values()), 0):
        for node in given:
            free = room[node] - given[node]
            taken = min(free, left if how == "packed" else 1, left)
            given[node] += taken
            left -= taken
    holding = [node for node in given if room[node]]
    for number in range(left):
        given[holding[number % len(holding)]] += 1
    return [Place(node, count, min(count, room[node])) for node, count in given.items() if count]


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
