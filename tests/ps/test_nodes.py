"""Several nodes: servers that exchange slices over the network compute what one node computes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dist_bp.nn import Layer
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.optim.rules.adam import Adam
from dist_bp.optim.updater import BLOCK
from dist_bp.ps.compression import CodecName
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.modes import Async, Backup, Local, Mode, Ssp, Sync
from dist_bp.ps.rounds import in_rounds
from tests.ps.group import LocalGroup, Problem, assert_same_bits, train

MODES = [
    Sync(),
    Ssp(2),
    Backup(1),
    Async(),
    Local(4),
    Local(3, outer_momentum=0.4),
]


def layers() -> list[Layer]:
    return [Dense(1500, activation="tanh"), BatchNorm(), Dropout(0.2), Dense(50, activation="relu"), Dense(5)]


@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize("servers", [0, 1, 2])
def test_two_nodes_compute_what_one_computes(servers: int, clip_norm: float | None) -> None:
    problem = Problem(layers=layers, rule=Adam(learning_rate=1.0), rate=0.01, clip_norm=clip_norm, weight_decay=1e-3)
    one = train(problem, shares=4, steps=8)
    two = train(problem, shares=4, servers=servers, steps=8, nodes=2, leases=2)
    assert_same_bits(two, one)


def test_two_compressed_runs_over_two_nodes_give_the_same_bits() -> None:
    problem = Problem(layers=layers, dtype="float32", rate=0.01, compression="int8")
    first, second = (train(problem, servers=2, steps=8, placement=(1, 3)) for _ in range(2))
    assert_same_bits(first, second)


@pytest.mark.parametrize("nodes", [2, 3])
def test_a_step_moves_as_many_bytes_as_it_must(nodes: int) -> None:
    problem = Problem(layers=lambda: [Dense(1500, activation="tanh"), Dense(5)], dtype="float32", rate=0.01)
    with LocalGroup(problem, shares=nodes, nodes=nodes) as group:
        servers, _ = group.run(0, 5)
        nbytes = group.model.layout.size * 4
    # Slices are of whole blocks, so they differ from an nth by no more than one.
    slack = 5 * (nodes - 1) * BLOCK * 4 * 2
    for report in servers:
        sent, received = report.wire_bytes
        assert sent == pytest.approx(5 * 2 * (nodes - 1) / nodes * nbytes, abs=slack)
        assert received == pytest.approx(5 * 2 * (nodes - 1) / nodes * nbytes, abs=slack)
    assert sum(report.wire_bytes[0] for report in servers) == 5 * 2 * (nodes - 1) * nbytes


@pytest.mark.parametrize("nodes", [2, 3])
def test_one_round_sends_all_sums_to_all_and_nothing_else(nodes: int) -> None:
    problem = Problem(layers=layers, dtype="float32", rate=0.01, clip_norm=0.1, one_round=True)
    with LocalGroup(problem, shares=nodes, nodes=nodes) as group:
        servers, _ = group.run(0, 5)
        nbytes = (group.model.layout.size + group.model.statistics_layout.size) * 4
        group.snapshot()
    assert {report.wire_bytes for report in servers} == {(5 * (nodes - 1) * nbytes,) * 2}


@pytest.mark.parametrize("spoilt", [0, 3])
def test_after_a_lease_in_one_round_that_came_to_no_end_all_go_on(spoilt: int) -> None:
    problem = Problem(layers=layers, one_round=True)
    with LocalGroup(problem, shares=4, servers=0, nodes=2) as group:
        good = group.inputs[spoilt].copy()
        for first, last in ((0, 3), (3, 12), (3, 6)):
            group.inputs[spoilt][:] = np.inf if last == 12 else good
            group.run(first, last)
        assert_same_bits(group.snapshot(), train(problem, shares=4, servers=0, nodes=2, steps=6, leases=2))


@pytest.mark.parametrize(
    ("changes", "goes"),
    [
        ({}, True),
        ({"parameters": 10**6}, False),
        ({"placement": (1,) * 64}, False),
        ({"placement": (2,)}, False),
        ({"compressed": True}, False),
        ({"mode": Ssp(2)}, False),
    ],
)
def test_small_networks_go_in_one_round(changes: dict[str, Any], goes: bool) -> None:
    layout = replace(ArenaLayout(4810, 0, (), (1, 1), 0, "float32"), **changes)
    assert in_rounds(layout).one_round == goes
    possible = layout.nodes > 1 and layout.mode == Sync() and not layout.compressed
    assert in_rounds(layout, True).one_round == possible
    assert not in_rounds(layout, False).one_round


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_every_mode_learns_over_two_nodes(mode: Mode) -> None:
    problem = Problem(mode=mode, samples=96, batch_size=48, rate=0.1)
    with LocalGroup(problem, shares=4, servers=2, nodes=2) as group:
        losses = []
        for step in range(0, 60, 12):
            reports, workers = group.run(step, step + 12)
            losses.append(reports[0].losses.sum() / reports[0].counts.sum())
            states = [own["accuracy"] for report in workers for own in report.metrics.values()]
            counted = sum(int(own["count"].sum()) for own in states)
            assert counted == reports[0].counts.sum()
            assert all((report.counts == reports[0].counts).all() for report in reports)
        assert group.snapshot().step == 60
    assert losses[-1] < losses[0] - 0.05


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_a_non_finite_loss_on_one_node_ends_the_lease_on_all(mode: Mode) -> None:
    with LocalGroup(Problem(mode=mode), shares=4, nodes=2) as group:
        group.inputs[3][:] = np.inf
        servers, _ = group.run(0, 12)
    assert {report.non_finite.worker for report in servers if report.non_finite} == {3}


@pytest.mark.parametrize("spoilt", [0, 3])
@pytest.mark.parametrize("mode", [Sync(), Local(3)], ids=lambda mode: mode.name)
def test_after_a_lease_that_one_node_ended_all_go_on_as_if_it_had_not_been(mode: Mode, spoilt: int) -> None:
    problem = Problem(layers=layers, mode=mode)
    with LocalGroup(problem, shares=4, servers=2, nodes=2) as group:
        good = group.inputs[spoilt].copy()
        for first, last in ((0, 3), (3, 12), (3, 6)):
            group.inputs[spoilt][:] = np.inf if last == 12 else good
            group.run(first, last)
        snapshot = group.snapshot()
    whole = train(problem, shares=4, servers=2, nodes=2, steps=6, leases=2)
    np.testing.assert_array_equal(snapshot.parameters, whole.parameters)
    np.testing.assert_array_equal(snapshot.statistics, whole.statistics)
    for name, state in whole.optimizer.items():
        np.testing.assert_array_equal(snapshot.optimizer[name], state)


@pytest.mark.parametrize("servers", [0, 2])
@pytest.mark.parametrize("codec", ["fp16", "int8", "top_k"])
def test_what_compression_has_left_out_is_part_of_a_snapshot(codec: CodecName, servers: int) -> None:
    """Going on from one, and after a lease that came to no end, gives the bits of going on without."""
    problem = Problem(layers=layers, dtype="float32", rate=0.02, compression=codec)
    whole = train(problem, 4, servers, nodes=2, steps=9, leases=3)
    with LocalGroup(problem, 4, servers, nodes=2) as one, LocalGroup(problem, 4, servers, nodes=2) as other:
        one.run(0, 3)
        good = one.inputs[3].copy()
        one.inputs[3][:] = np.inf
        one.run(3, 9)
        one.inputs[3][:] = good
        one.run(3, 6)
        kept = one.snapshot()
        assert any(array.any() for array in kept.owed.values())
        other.write(kept)
        other.run(6, 9)
        np.testing.assert_array_equal(other.snapshot().parameters, whole.parameters)
        other.write(replace(kept, owed={}))
        other.run(6, 9)
        assert not np.array_equal(other.snapshot().parameters, whole.parameters)


@pytest.mark.parametrize("codec", ["fp16", "int8", "top_k"])
def test_compressed_sums_are_smaller_and_still_learn(codec: CodecName) -> None:
    problem = Problem(samples=96, batch_size=48, rate=0.1, dtype="float32")
    sent, losses = {}, {}
    for name in ("none", codec):
        with LocalGroup(replace(problem, compression=name), shares=2, nodes=2) as group:
            first, _ = group.run(0, 20)
            last, _ = group.run(20, 60)
            sent[name] = first[0].wire_bytes[0]
            losses[name] = last[0].losses[-4:].sum() / last[0].counts[-4:].sum()
            group.snapshot()
    assert sent[codec] < 0.8 * sent["none"]
    if codec != "top_k":
        assert losses[codec] == pytest.approx(losses["none"], rel=0.02)
    assert losses[codec] < 1.55
