"""Shares: who computes changes no bit of what is computed."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.metrics.accuracy import Accuracy
from dist_bp.nn import Layer
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.optim.rules.adam import Adam
from dist_bp.ps.lease import Lease
from dist_bp.ps.modes import DiLoCo, Local, Sync
from dist_bp.ps.shares import assign
from dist_bp.runtime.lease_report import Merger
from tests.ps.group import LocalGroup, Problem, assert_same_bits, train


def layers() -> list[Layer]:
    """Four chunks of parameters, random numbers and statistics."""
    return [Dense(1500, activation="tanh"), BatchNorm(), Dropout(0.3), Dense(50, activation="relu"), Dense(5)]


PROBLEMS = {
    "sync": Problem(layers=layers, rate=0.02),
    "float32": Problem(layers=layers, rate=0.02, dtype="float32"),
    "adam, clipped": Problem(layers=layers, rule=Adam(learning_rate=1.0), rate=0.01, dtype="float32", clip_norm=0.05),
    "accumulated": Problem(layers=layers, batch_size=16, accumulate=3, rate=0.02, dtype="float32"),
    "local": Problem(layers=layers, mode=Local(4), rate=0.02, dtype="float32"),
    "diloco": Problem(layers=layers, mode=DiLoCo(4), rate=0.02, dtype="float32"),
}


@given(st.lists(st.integers(1, 5), min_size=1, max_size=3), st.randoms())
def test_every_share_is_computed_by_somebody_of_its_node(placement: list[int], random: Any) -> None:
    edges = np.cumsum([0, *placement]).tolist()
    nodes = [range(first, last) for first, last in pairwise(edges)]
    present = {rank for own in nodes for rank in random.sample(own, random.randint(1, len(own)))}
    assigned = assign(nodes, present)
    assert sorted(share for shares in assigned for share in shares) == list(range(edges[-1]))
    for own in nodes:
        counts = [len(assigned[rank]) for rank in own if rank in present]
        assert max(counts) - min(counts) <= 1
        assert all(set(assigned[rank]) <= set(own) for rank in own)
        assert all(assigned[rank][0] == rank for rank in own if rank in present)
        assert not any(assigned[rank] for rank in own if rank not in present)


def test_a_node_without_anybody_is_refused() -> None:
    with pytest.raises(ValueError, match="nobody is there to compute the shares 2 to 3"):
        assign([range(2), range(2, 4)], {0, 1})


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_four_shares_give_the_same_bits_on_any_number_of_workers(problem: Problem) -> None:
    four = train(problem, shares=4, servers=0, steps=24)
    for workers in (1, 2, 3):
        assert_same_bits(train(problem, shares=4, servers=0, steps=24, leases=workers, workers=workers), four)
    assert_same_bits(train(problem, shares=4, servers=2, steps=24, workers=2), four)
    assert not np.array_equal(train(problem, shares=2, servers=0, steps=24).parameters, four.parameters)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
@pytest.mark.parametrize("placements", [[(2, 2), (1, 3), (3, 1), (1, 2, 1)], [(4, 1), (2, 3), (2, 1, 2)]], ids=str)
def test_shares_give_the_same_bits_on_any_nodes(placements: list[tuple[int, ...]], problem: Problem) -> None:
    one = train(problem, shares=sum(placements[0]), servers=0, steps=8)
    for placement in placements:
        assert_same_bits(train(problem, servers=0, steps=8, leases=2, placement=placement), one)
    assert_same_bits(train(problem, servers=2, steps=8, placement=placements[1]), one)


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_one_round_gives_the_bits_of_two(problem: Problem) -> None:
    one = train(problem, shares=4, servers=0, steps=8)
    problem = replace(problem, one_round=True)
    for placement in ((2, 2), (1, 3), (1, 2, 1)):
        assert_same_bits(train(problem, servers=0, steps=8, leases=2, placement=placement), one)
    assert_same_bits(train(problem, servers=2, steps=8, placement=(2, 2)), one)


def test_shares_of_two_nodes_give_the_same_bits_on_any_number_of_workers() -> None:
    problem = replace(PROBLEMS["adam, clipped"], clip_norm=0.5)
    two, four = (train(problem, shares=4, servers=0, nodes=2, steps=9, workers=workers) for workers in (2, 4))
    assert_same_bits(two, four)


def test_what_is_measured_does_not_depend_on_who_computes() -> None:
    problem = Problem(layers=layers, dtype="float32")
    with LocalGroup(problem, 4, 0) as four, LocalGroup(problem, 4, 0, workers=3) as three:
        servers, _ = four.run(0, 7)
        others, _ = three.run(0, 7)
        assert servers[0].losses.tolist() == others[0].losses.tolist()
        assert servers[0].counts.tolist() == others[0].counts.tolist()
        for one, other in zip(four.evaluate("train"), three.evaluate("train"), strict=True):
            assert (one.loss, one.weight) == (other.loss, other.weight)


def test_what_is_measured_does_not_depend_on_the_nodes() -> None:
    problem = Problem(layers=layers, dtype="float32")
    with LocalGroup(problem, 4, 0) as one, LocalGroup(problem, servers=0, placement=(1, 3)) as two:
        servers, workers = one.run(0, 7)
        others, elsewhere = two.run(0, 7)
        assert len({report.losses.tobytes() for report in (*servers, *others)}) == 1
        assert len({report.counts.tobytes() for report in (*servers, *others)}) == 1
        for report, other in zip(workers, elsewhere, strict=True):
            state, found = (own.metrics[own.rank]["accuracy"] for own in (report, other))
            assert {name: array.tobytes() for name, array in state.items()} == {
                name: array.tobytes() for name, array in found.items()
            }
        assert [found.loss for found in one.evaluate("train")] == [found.loss for found in two.evaluate("train")]


def test_who_is_lost_at_the_beginning_of_a_lease_takes_nothing_back() -> None:
    """What the keeper then tells of the lease is that nothing was made."""
    with LocalGroup(Problem(layers=layers), 2, 0) as group:
        group.run(0, 7)
        keeper, version = group.keepers[0], 7
        keeper.arena.updating[0] = 1
        keeper.arena.committed[0] = version + 4  # of a worker that was alone for some updates
        lease = Lease(9, version + 4, 11, 14, group.shares)
        keeper.arena.updating[0] = 2  # and then no more, but the other was lost before it had begun
        merger = Merger(Sync(), 2, {"accuracy": Accuracy()})
        report, done = merger.of_account(lease, keeper.account(lease.steps), [])
    assert (report.steps, done, report.metrics) == (0, 0, {})
