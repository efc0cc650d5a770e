"""The model of a step on many nodes, against its parts written out and against counting."""

import tracemalloc
from dataclasses import replace
from itertools import product
from unittest.mock import Mock

import pytest

from dist_bp.errors import ConfigError
from dist_bp.nn.layers.dense import Dense
from dist_bp.ps.compression import CodecName, Half, make_codec
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.mesh import Mesh
from dist_bp.runtime.forecast import (
    LOOPBACK,
    Costs,
    Gradients,
    Load,
    Network,
    OneNode,
    check_predictable,
    expected_slowest,
    measured_exchange,
    predict,
)
from dist_bp.runtime.probe import ExchangeCosts
from tests.ps.group import LocalGroup, Problem

SIZE = 640_000
COSTS = Costs(
    alone=OneNode(compute=5e-4, signal=5e-5, update=2e-4),
    compute=1e-4,
    compute_row=1e-5,
    gradients=Gradients(workers=4, slowest=1.2, spread=[0.9, 1.0, 1.1]),
    update=2e-9,
    add=1e-9,
    exchange=ExchangeCosts(round=4e-5, message=1e-5, byte=5e-10),
    together=4,
    apart=None,
    entangled=1.5,
    encode=0.0,
    decode=0.0,
    worker_memory=100,
    server_memory=50,
)
NETWORK = Network(bandwidth=1.25e9, latency=2e-5, handling=1.0)


def load(**changes: object) -> Load:
    layout = ArenaLayout(SIZE, 0, ("momentum",), (2,), 1, "float32")
    return replace(Load(layout, batch=64, group=8), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("draws", [1, 2, 5])
def test_the_expected_slowest_is_the_mean_over_all_draws(draws: int) -> None:
    values = [1.0, 2.0, 4.0, 7.0]
    slowest = [max(drawn) for drawn in product(values, repeat=draws)]
    assert expected_slowest(values, draws) == pytest.approx(sum(slowest) / len(slowest))


def test_the_slowest_of_more_is_that_of_those_that_were_measured_and_grows_with_them_as_it_does_for_draws() -> None:
    gradients = COSTS.gradients
    assert gradients.slowest_of(4) == pytest.approx(1.2)
    more, measured = (expected_slowest(gradients.spread, count) for count in (8, 4))
    assert gradients.slowest_of(8) == pytest.approx(1.2 * more / measured)


def test_one_node_is_what_was_measured() -> None:
    (alone,) = predict(load(), COSTS, NETWORK, [1], "weak")
    assert (alone.compute, alone.signal, alone.update) == (5e-4, 5e-5, 2e-4)
    assert (alone.reduce, alone.exchange, alone.wire_bytes) == (0, 0, 0)
    assert alone.step == pytest.approx(7.5e-4)
    assert alone.samples_per_second == pytest.approx(64 / alone.step)
    assert alone.efficiency == 1


@pytest.mark.parametrize("step", [1.9e-3, 5e-3])
def test_two_nodes_are_what_was_measured_of_them_on_one_machine(step: float) -> None:
    slowest = 1.2 * (1e-4 + 32e-5)
    costs = replace(COSTS, entangled=measured_exchange(load(), COSTS, step, slowest))
    (two,) = predict(load(), costs, LOOPBACK, [2], "weak")
    assert (two.compute, two.step) == (pytest.approx(slowest), pytest.approx(step))


def test_an_exchange_takes_no_less_than_nothing() -> None:
    assert measured_exchange(load(), COSTS, 1e-6, 1e-6) == 0


def test_four_nodes_written_out() -> None:
    (four,) = predict(load(), COSTS, NETWORK, [4], "weak")
    sent = 2 * 3 * SIZE * 4 / 4
    assert (four.workers, four.batch, four.wire_bytes) == (8, 256, sent)
    assert four.reduce == pytest.approx(SIZE * 3 / 4 * 1e-9)
    ends = 1.5 * (2 * (4e-5 + 2 * 1e-5) + sent * 5e-10)
    assert four.exchange == pytest.approx(ends + 2 * 2e-5 + sent / 1.25e9)
    assert four.update == pytest.approx((2e-9 + 3e-9) * SIZE / 4)
    assert four.step == pytest.approx(four.compute + four.signal + four.reduce + four.exchange + four.update)
    assert four.server == 50 + 2 * 3 * SIZE


def test_bytes_that_cross_a_network_card_cost_more_at_their_ends() -> None:
    plain, dearer = (predict(load(), COSTS, one, [4], "weak")[0] for one in (NETWORK, replace(NETWORK, handling=1.5)))
    assert dearer.exchange - plain.exchange == pytest.approx(1.5 * 0.5 * plain.wire_bytes * 5e-10)


def test_a_single_worker_has_nothing_to_add_up() -> None:
    single = replace(load().layout, placement=(1,))
    assert predict(load(layout=single), COSTS, NETWORK, [4], "weak")[0].reduce == 0


def test_clipping_and_batch_statistics_are_a_round_each() -> None:
    plain = predict(load(), COSTS, NETWORK, [2], "weak")[0].exchange
    clipped = predict(load(clips=True), COSTS, NETWORK, [2], "weak")[0].exchange
    assert clipped - plain == pytest.approx(1.5 * 4e-5 + 2e-5)
    normalised = predict(load(layout=replace(load().layout, statistics=8)), COSTS, NETWORK, [2], "weak")[0]
    assert normalised.exchange - plain == pytest.approx(1.5 * (1e-5 + 32 * 5e-10) + 32 / 1.25e9)


def test_strong_scaling_keeps_the_batch_and_ends_where_workers_would_have_nothing() -> None:
    one, two = predict(load(), COSTS, NETWORK, [1, 2], "strong")
    assert (one.batch, two.batch) == (64, 64)
    assert two.compute == pytest.approx((1e-4 + 16e-5) * 1.2)
    assert two.efficiency == pytest.approx(one.step / two.step / 2)
    with pytest.raises(ConfigError, match="64 samples in groups of 8 make 8 groups, too few for 16 workers"):
        predict(load(), COSTS, NETWORK, [8], "strong")


def test_the_fullest_worker_is_waited_for() -> None:
    uneven = load(batch=72)  # 18 groups of 8 for four workers
    (two,) = predict(uneven, COSTS, NETWORK, [2], "weak")
    assert two.compute == pytest.approx((1e-4 + 40e-5) * 1.2)


def test_compression_takes_bytes_from_one_of_the_two_rounds_and_costs_time_and_memory() -> None:
    costs = replace(COSTS, encode=1e-9, decode=2e-9)
    plain, halved = (predict(load(codec=codec), costs, NETWORK, [2], "weak")[0] for codec in (None, Half()))
    assert halved.wire_bytes == 0.75 * plain.wire_bytes
    saved = 0.25 * plain.wire_bytes * (1.5 * 5e-10 + 1 / 1.25e9)
    assert halved.exchange == pytest.approx(plain.exchange - saved)
    assert halved.server == plain.server + SIZE // 2 * (4 + 2)


def test_small_networks_are_exchanged_in_one_round_and_each_node_updates_everything() -> None:
    small = replace(load().layout, parameters=4800)
    one, two, many = predict(load(layout=small), COSTS, NETWORK, [1, 2, 64], "weak")
    assert (one.rounds, two.rounds, many.rounds) == (0, 1, 2)
    assert two.wire_bytes == 4800 * 4
    assert two.exchange == pytest.approx(1.5 * (4e-5 + two.wire_bytes * 5e-10) + 2e-5 + two.wire_bytes / 1.25e9)
    assert two.reduce == pytest.approx(4800 * 1e-9)
    assert two.update == pytest.approx(4800 * 3e-9)


def test_three_nodes_whose_workers_make_several_sums_written_out() -> None:
    """The tree over six shares adds 0 to 1 and 3 to 4: only the first node has two that are added before others."""
    (three,) = predict(load(), COSTS, NETWORK, [3], "weak")
    sums = 5 / 3
    assert three.wire_bytes == pytest.approx(2 * (sums + 1) * SIZE / 3 * 4)
    assert three.reduce == pytest.approx((2 - sums) * SIZE * 2 / 3 * 1e-9)
    assert three.update == pytest.approx((2e-9 + 2 * sums * 1e-9) * SIZE / 3)


@pytest.mark.parametrize("compression", ["none", "int8"])
@pytest.mark.parametrize(("nodes", "workers"), [(2, 2), (3, 2), (6, 2), (7, 4)])
def test_what_a_server_keeps_for_the_exchange_is_what_it_allocates(
    compression: CodecName, nodes: int, workers: int
) -> None:
    one, codec = replace(load().layout, placement=(workers,)), make_codec(compression)
    found = load(layout=one, batch=8 * workers, codec=codec)
    (predicted,) = predict(found, COSTS, NETWORK, [nodes], "weak")
    made = []
    for node in range(nodes):
        tracemalloc.start()
        mesh = Mesh(Mock(), replace(found.on(nodes), node=node, lanes=1), 0, codec)
        made.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()
        del mesh
    assert predicted.server - COSTS.server_memory == pytest.approx(max(made), rel=0.05)


@pytest.mark.parametrize("compression", ["none", "fp16"])
@pytest.mark.parametrize(("nodes", "units"), [(2, 20), (2, 6000), (3, 6000)])
def test_the_bytes_and_the_arena_are_those_of_real_servers(compression: CodecName, nodes: int, units: int) -> None:
    """In one round, or in two with so many blocks that whole ones make nearly even slices."""
    layers = [Dense(units, activation="tanh"), Dense(5)]
    with LocalGroup(
        Problem(layers=lambda: layers, compression=compression, one_round=None), 2 * nodes, nodes=nodes
    ) as group:
        servers, _ = group.run(0, 3)
        layout = group.servers[0].arena.layout
    found = Load(replace(layout, placement=(2,)), batch=64, group=8, codec=make_codec(compression))
    (predicted,) = predict(found, COSTS, NETWORK, [nodes], "strong")
    assert sum(report.wire_bytes[0] for report in servers) / nodes / 3 == pytest.approx(predicted.wire_bytes, rel=0.01)
    assert predicted.arena == layout.nbytes


@pytest.mark.parametrize("mode", ["backup", "ssp", "async", "local", "diloco"])
def test_only_sync_is_the_sum_of_these_parts(mode: str) -> None:
    with pytest.raises(ConfigError, match=f"parameter_server.mode: only sync can be predicted, not {mode}"):
        check_predictable(mode)
