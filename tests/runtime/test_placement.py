"""Workers get nodes before anything starts, or the job is refused with the nodes named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.errors import CapacityError
from dist_bp.runtime.placement import Node, place

NODES = [Node("a", "10.0.0.1", 4), Node("b", "10.0.0.2", 8), Node("c", "10.0.0.3", 2)]


def counts(workers: int, cpus: int, how: str) -> dict[str, int]:
    return {found.node.id: found.workers for found in place(workers, cpus, NODES, how)}  # type: ignore[arg-type]


def test_packed_takes_as_few_nodes_as_can_hold_the_workers() -> None:
    assert counts(8, 1, "packed") == {"b": 8}
    assert counts(9, 1, "packed") == {"b": 8, "a": 1}
    assert counts(3, 4, "packed") == {"b": 2, "a": 1}


def test_spread_gives_each_node_in_turn_one() -> None:
    assert counts(3, 1, "spread") == {"b": 1, "a": 1, "c": 1}
    assert counts(9, 1, "spread") == {"b": 4, "a": 3, "c": 2}
    assert counts(3, 4, "spread") == {"b": 2, "a": 1}


def test_with_room_for_some_workers_alone_nodes_get_more_shares() -> None:
    def found(shares: int, least: int) -> list[tuple[str, int, int]]:
        return [(one.node.id, one.shares, one.workers) for one in place(shares, 2, NODES[:2], "packed", least)]

    assert found(6, 1) == [("b", 4, 4), ("a", 2, 2)]
    assert found(9, 6) == [("b", 6, 4), ("a", 3, 2)]
    assert found(3, 1) == [("b", 3, 3)]
    with pytest.raises(CapacityError, match=r"needs 14 CPUs \(7 workers x 2\)"):
        found(9, 7)


@given(st.integers(1, 20), st.integers(1, 9), st.sampled_from(["packed", "spread"]))
def test_no_node_gets_more_than_it_has(workers: int, cpus: int, how: str) -> None:
    try:
        given_out = place(workers, cpus, NODES, how)  # type: ignore[arg-type]
    except CapacityError:
        assert workers > sum(node.cpus // cpus for node in NODES)
        return
    assert sum(found.workers for found in given_out) == workers
    assert all(0 < found.workers * cpus <= found.node.cpus for found in given_out)


def test_what_no_node_can_hold_is_refused_with_the_nodes() -> None:
    expected = r"needs 12 CPUs \(2 workers x 6\), its nodes hold 1 worker \(10.0.0.1 has 4 for 0, 10.0.0.2 has 8 for 1"
    with pytest.raises(CapacityError, match=expected):
        place(2, 6, NODES)
