"""Where processes go, and when there is room for more of them, as a table."""

from types import SimpleNamespace
from typing import Any

import pytest

from dist_bp.errors import ConfigError
from dist_bp.runtime.placement import Node, Place
from dist_bp.runtime.room import Room, find_more, find_room
from tests.conftest import JobMaker

A, B, C = (Node(name, f"10.0.0.{number}", 0) for number, name in enumerate("abc"))


def free(a: float, b: float | None = None, c: float | None = None) -> list[Node]:
    """The CPUs of each that nobody has reserved; None: it is not there."""
    found = [(A, a), (B, b), (C, c)]
    return [Node(node.id, node.host, cpus) for node, cpus in found if cpus is not None]


ONE, TWO = [(A, 4, 2)], [(A, 2, 2), (B, 2, 1)]
"""Places, their shares and for how many workers they had room."""
CASES: dict[str, tuple[Any, dict[int, int], list[Node], list[int] | None]] = {
    "nothing new": (ONE, {0: 2}, free(0), None),
    "a node": (ONE, {0: 2}, free(0, 1), [2, 1]),
    "a node for all that are missing": (ONE, {0: 2}, free(0, 2), [2, 2]),
    "a node that others use": (ONE, {0: 2}, free(0, 0), None),
    "on a single node they join by themselves": (ONE, {0: 2}, free(2), None),
    "where a larger one has all of the room": (ONE, {0: 1}, free(0, 4), [4]),
    "a node is larger now": (TWO, {0: 2, 1: 1}, free(0, 1), [2, 2]),
    "a third node": (TWO, {0: 2, 1: 1}, free(0, 0, 1), [2, 1, 1]),
    "as many as before elsewhere": (TWO, {0: 2, 1: 1}, free(0, None, 1), None),
    "nobody is left": (ONE, {}, free(0, 4), None),
    "too little": (TWO, {0: 1, 1: 0}, free(0, None), None),
}


@pytest.mark.parametrize(("places", "working", "nodes", "workers"), CASES.values(), ids=CASES)
def test_room_for_more(
    places: Any, working: dict[int, int], nodes: list[Node], workers: list[int] | None, make_job: JobMaker
) -> None:
    config = make_job(scaling={"num_workers": 4, "min_workers": 1})
    found = find_more(config, Room([Place(*one) for one in places], [], "a"), working, nodes)
    assert workers == (found and [place.workers for place in found.places])


def cluster_of(nodes: list[Node], unused: list[Node] | None = None) -> Any:
    """Nodes, and what others have left of them."""
    left = nodes if unused is None else unused
    return SimpleNamespace(
        nodes=nodes, bundles=[], local=False, free_nodes=lambda: left, call=lambda _, ask, *seconds: ask()
    )


@pytest.mark.parametrize(
    ("unused", "own", "workers"),
    [
        (free(1, 1), {}, {"a": 1, "b": 1}),
        (free(0, 1), {}, {"b": 1}),
        (free(0, 0), {}, {"a": 1, "b": 1}),  # it waits
        (free(0, 0), {"a": 1}, {"a": 1}),
        (free(1, 0), {"a": 1}, {"a": 1}),
    ],
)
def test_room_beside_others(
    unused: list[Node], own: dict[str, int], workers: dict[str, int], make_job: JobMaker
) -> None:
    cluster = cluster_of(free(1, 1), unused)
    config = make_job(scaling={"num_workers": 2, "min_workers": 1})
    assert find_room(config, cluster, own=own).workers == workers
    assert find_room(make_job(scaling={"num_workers": 2}), cluster, own=own).workers == {"a": 1, "b": 1}


@pytest.mark.parametrize(
    ("places", "working", "bounds", "workers"),
    [
        ([(A, 4, 2)], {0: 2}, {"b": 0}, None),
        ([(A, 4, 2)], {0: 2}, {"a": 2, "b": 0}, None),
        ([(A, 4, 1), (B, 1, 1)], {0: 1, 1: 1}, {"b": 1}, None),
        ([(A, 4, 2)], {0: 2}, {"b": 1}, [2, 1]),
    ],
)
def test_room_for_more_within_bounds(
    places: Any, working: dict[int, int], bounds: dict[str, int], workers: list[int] | None, make_job: JobMaker
) -> None:
    """Of nodes that could not do with more."""
    config = make_job(scaling={"num_workers": 4, "min_workers": 1})
    found = find_more(config, Room([Place(*one) for one in places], [], "a"), working, free(0, 2), bounds)
    assert workers == (found and [place.workers for place in found.places])


def test_room_within_bounds(make_job: JobMaker) -> None:
    cluster = cluster_of(free(2, 2))
    config = make_job(scaling={"num_workers": 4, "min_workers": 1})
    assert find_room(config, cluster).workers == {"a": 2, "b": 2}
    assert find_room(config, cluster, {"b": 1}).workers == {"a": 2, "b": 1}
    assert find_room(config, cluster, {"b": 0}).workers == {"a": 2}


LAZY: dict[str, Any] = {"optimizer": {"type": "adam", "learning_rate": 0.01, "lazy": True}}
"""Such workers are all on one node."""
LAZY_CASES: dict[str, tuple[list[Node], list[int] | None]] = {
    "a second node": (free(0, 1), None),
    "two": (free(0, 1, 1), None),
    "one with the CPUs for more": (free(0, 2), [2]),
}


@pytest.mark.parametrize(("nodes", "workers"), LAZY_CASES.values(), ids=LAZY_CASES)
def test_room_for_more_of_a_lazy_optimizer(nodes: list[Node], workers: list[int] | None, make_job: JobMaker) -> None:
    config = make_job(train=LAZY, scaling={"num_workers": 4, "min_workers": 1})
    found = find_more(config, Room([Place(A, 4, 1)], [], "a"), {0: 1}, nodes)
    assert workers == (found and [place.workers for place in found.places])


def test_room_of_a_lazy_optimizer(make_job: JobMaker) -> None:
    """Where one node has fewer CPUs than there may be workers, and none of several has those that there have to be."""
    several = cluster_of(free(1, 2, 1))
    found = find_room(make_job(train=LAZY, scaling={"num_workers": 4, "min_workers": 2}), several)
    assert [(place.node.id, place.workers) for place in found.places] == [("b", 2)]
    with pytest.raises(ConfigError, match="lazy is for workers of one node"):
        find_room(make_job(train=LAZY, scaling={"num_workers": 4, "min_workers": 3}), several)
