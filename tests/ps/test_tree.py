"""The order of sums: the same additions, whoever holds which shares."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.ps.tree import Summation, subtrees, summation
from dist_bp.types import Array

SIZE = 5
PLACEMENTS = st.lists(st.integers(1, 6), min_size=1, max_size=5).map(tuple)


def total(placement: tuple[int, ...], node: int, given: dict[int, Array], compressed: bool = False) -> Array:
    """The sum that a node makes, where each sends the sums that it is to send."""
    edges = np.cumsum([0, *placement]).tolist()
    plans = [summation(placement, one, sorted(given), compressed) for one in range(len(placement))]
    own = [[given[edges[one] + place] for place in plan.places] for one, plan in enumerate(plans)]
    sums = {one: sent(plan, own[one]) for one, plan in enumerate(plans) if one != node and own[one]}
    plan, out = plans[node], np.empty(SIZE, np.float32)
    plan.add_up(own[node], sums, np.empty((plan.order.scratch, SIZE), np.float32), out)
    return out


def sent(plan: Summation, own: list[Array]) -> Array:
    sums = np.empty((len(plan.sent), SIZE), np.float32)
    for row, (part, order) in zip(sums, plan.sent, strict=True):
        order.add_up(own[part], np.empty((order.scratch, SIZE), np.float32), row)
    return sums


def plainly(arrays: list[Array | None]) -> Array | None:
    """By the definition."""
    if len(arrays) == 1:
        return arrays[0]
    middle = (len(arrays) + 1) // 2
    first, second = plainly(arrays[:middle]), plainly(arrays[middle:])
    if first is None or second is None:
        return second if first is None else first
    return first + second


@given(PLACEMENTS, st.randoms(), st.integers(0, 2**32))
def test_every_node_makes_the_same_bits(placement: tuple[int, ...], random: Any, seed: int) -> None:
    shares = sum(placement)
    arrays = np.random.default_rng(seed).normal(size=(shares, SIZE)).astype(np.float32)
    some = random.sample(range(shares), random.randint(1, shares))
    given = {share: arrays[share] for share in some}
    expected = plainly([given.get(share) for share in range(shares)])
    assert expected is not None
    for node in range(len(placement)):
        assert total(placement, node, given).tobytes() == expected.tobytes()


@given(PLACEMENTS, st.integers(0, 2**32))
def test_compressed_a_node_sends_one_sum(placement: tuple[int, ...], seed: int) -> None:
    arrays = np.random.default_rng(seed).normal(size=(sum(placement), SIZE)).astype(np.float32)
    for node in range(len(placement)):
        plan = summation(placement, node, range(len(arrays)), compressed=True)
        assert len(plan.sent) == 1
        assert plan.received == tuple((other, 1) for other in range(len(placement)) if other != node)
        made = total(placement, node, dict(enumerate(arrays)), compressed=True)
        np.testing.assert_allclose(made, arrays.sum(axis=0, dtype=np.float64), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("placement", "sums"),
    [((2, 2), [1, 1]), ((5, 5), [1, 1]), ((3, 3, 3, 3), [1] * 4), ((1, 1, 1), [1] * 3), ((1, 3), [1, 2])],
)
def test_nodes_that_hold_halves_send_one_sum(placement: tuple[int, ...], sums: list[int]) -> None:
    assert [len(subtrees(placement, node)) for node in range(len(placement))] == sums


@pytest.mark.parametrize("shares", range(1, 40))
def test_scratch_grows_with_the_levels_of_the_tree(shares: int) -> None:
    assert summation((shares,), 0, range(shares)).order.scratch <= max((shares - 1).bit_length() - 1, 0)
