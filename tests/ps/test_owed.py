"""What nodes owe each other when a run goes on, on as many nodes or others."""

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.ps.arena import Arena, Snapshot, assemble
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.owed import debts_of
from dist_bp.types import Array

SIZES = st.integers(8, 9000)


def owed_between(cuts: list[int]) -> dict[str, Array]:
    """By nodes whose slices lie between these; whole numbers, so that their sums are exact."""
    random, nodes = np.random.default_rng(2), range(len(cuts) - 1)
    return {
        f"{node}/{to}": random.integers(-99, 100, stop - start).astype(np.float32)
        for node in nodes
        for to, (start, stop) in enumerate(pairwise(cuts))
        if to != node
    }


def cuts_of(parameters: int, nodes: int) -> list[int]:
    made = layout(parameters, nodes, 0)
    return [0, *(made.slice(node)[1] for node in range(nodes))]


def layout(parameters: int, nodes: int, node: int) -> ArenaLayout:
    return ArenaLayout(parameters, 0, (), (1,) * nodes, 0, "float32", node=node, compressed=True)


def written(owed: Mapping[str, Array], parameters: int, nodes: int) -> Mapping[str, Array]:
    """What so many nodes owe each other that go on from a snapshot."""
    arenas = [Arena.create(layout(parameters, nodes, node)) for node in range(nodes)]
    for arena in arenas:
        arena.write(3, Snapshot(5, np.zeros(parameters), np.zeros(0), {}, owed))
    found = assemble(5, [arena.read(3) for arena in arenas]).owed
    for arena in arenas:
        arena.close()
    return found


def total(owed: Mapping[str, Array], cuts: list[int]) -> Array:
    """What is owed of each element, by whomever."""
    whole = np.zeros(cuts[-1])
    for name, array in owed.items():
        to = int(name.partition("/")[2])
        whole[cuts[to] : cuts[to + 1]] += array
    return whole


@given(SIZES, st.integers(2, 5))
def test_on_as_many_nodes_each_owes_what_it_owed(parameters: int, nodes: int) -> None:
    owed = owed_between(cuts_of(parameters, nodes))
    found = written(owed, parameters, nodes)
    assert found.keys() == owed.keys()
    assert all(found[name].tobytes() == array.tobytes() for name, array in owed.items())


@given(SIZES, st.lists(st.floats(0, 1), min_size=1, max_size=4), st.integers(2, 5))
def test_on_other_nodes_and_slices_the_same_is_owed_of_each_element(
    parameters: int, parts: list[float], nodes: int
) -> None:
    cuts = [0, *sorted(int(part * parameters) for part in parts), parameters]
    owed = owed_between(cuts)
    found = written(owed, parameters, nodes)
    np.testing.assert_array_equal(total(found, cuts_of(parameters, nodes)), total(owed, cuts))


def test_who_begins_owes_nothing() -> None:
    assert not any(array.any() for array in written({}, 3000, 3).values())


@pytest.mark.parametrize(
    "shapes",
    [{"0/1": (10,), "1/0": (9,)}, {"0/1": (20,)}, {"0/1": (10, 1), "1/0": (10,)}, {"1/0": (10,), "0/2": (10,)}],
    ids=str,
)
def test_debts_of_another_model_are_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="what its nodes owe each other is of another model"):
        debts_of({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, 20)
