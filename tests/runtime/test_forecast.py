"""The model of a step on many nodes, against its parts written out and against counting."""

from dataclasses import replace
from itertools import product

import pytest

from dist_bp.errors import ConfigError
from dist_bp.ps.compression import Half
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.modes import SYNC, Mode
from dist_bp.runtime.forecast import Costs, Load, Network, check_predictable, expected_slowest, predict
from dist_bp.runtime.probe import ExchangeCosts

SIZE = 64_000
COSTS = Costs(
    compute=1e-4,
    compute_row=1e-5,
    spread=[0.9, 1.0, 1.1],
    update=2e-9,
    add=1e-9,
    signal=5e-5,
    exchange=ExchangeCosts(round=4e-5, message=1e-5, byte=5e-10),
    encode=0.0,
    decode=0.0,
    worker_memory=100,
    server_memory=50,
)
NETWORK = Network(bandwidth=1.25e9, latency=2e-5)


def load(mode: Mode = SYNC, **changes: object) -> Load:
    layout = ArenaLayout(SIZE, 0, ("momentum",), (2,), 1, "float32", mode)
    return replace(Load(layout, 64), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("draws", "left_out"), [(1, 0), (2, 0), (5, 0), (2, 1), (5, 1), (5, 4)])
def test_the_expected_slowest_is_the_mean_over_all_draws(draws: int, left_out: int) -> None:
    values = [1.0, 2.0, 4.0, 7.0]
    slowest = [sorted(drawn)[-1 - left_out] for drawn in product(values, repeat=draws)]
    assert expected_slowest(values, draws, left_out) == pytest.approx(sum(slowest) / len(slowest))


def test_one_node_computes_signals_and_updates() -> None:
    (alone,) = predict(load(), COSTS, NETWORK, [1], "weak")
    assert alone.compute == pytest.approx((1e-4 + 32e-5) * expected_slowest(COSTS.spread, 2))
    assert (alone.signal, alone.reduce, alone.exchange, alone.wire_bytes) == (5e-5, 0, 0, 0)
    assert alone.update == pytest.approx(SIZE * 2e-9)
    assert alone.step == pytest.approx(alone.compute + alone.signal + alone.update)
    assert alone.samples_per_second == pytest.approx(64 / alone.step)
    assert alone.efficiency == 1


def test_four_nodes_written_out() -> None:
    (four,) = predict(load(), COSTS, NETWORK, [4], "weak")
    sent = 2 * 3 * SIZE * 4 / 4
    assert (four.workers, four.batch, four.wire_bytes) == (8, 256, sent)
    assert four.reduce == pytest.approx(SIZE * 3 / 4 * 1e-9)
    rounds = 2 * (4e-5 + 2e-5 + 2 * 1e-5)
    assert four.exchange == pytest.approx(rounds + sent * 5e-10 + sent / 1.25e9)
    assert four.update == pytest.approx((2e-9 + 3e-9) * SIZE / 4)
    parts = four.compute + four.signal + four.reduce + four.exchange + four.update
    assert four.step == pytest.approx(parts)
    assert four.arena < predict(load(), COSTS, NETWORK, [1], "weak")[0].arena  # the state of a quarter
    assert four.server == 50 + 2 * 3 * SIZE


def test_strong_scaling_keeps_the_batch() -> None:
    one, two = predict(load(), COSTS, NETWORK, [1, 2], "strong")
    assert (one.batch, two.batch) == (64, 64)
    assert two.compute == pytest.approx((1e-4 + 16e-5) * expected_slowest(COSTS.spread, 4))
    assert two.efficiency == pytest.approx(one.step / two.step / 2)


def test_local_steps_pay_for_the_exchange_once_a_round() -> None:
    every = predict(load(Mode("local", local_steps=1)), COSTS, NETWORK, [8], "weak")[0]
    fourth = predict(load(Mode("local", local_steps=4)), COSTS, NETWORK, [8], "weak")[0]
    assert fourth.step - fourth.compute == pytest.approx((every.step - every.compute) / 4)
    assert fourth.wire_bytes == every.wire_bytes / 4


def test_backup_does_not_wait_for_the_slowest() -> None:
    waiting = predict(load(), COSTS, NETWORK, [4], "weak")[0]
    leaving = predict(load(Mode("backup", backups=2)), COSTS, NETWORK, [4], "weak")[0]
    assert leaving.compute < waiting.compute


def test_compression_halves_one_of_the_two_rounds_and_costs_time() -> None:
    costs = replace(COSTS, encode=1e-9, decode=2e-9)
    plain, halved = (predict(load(codec=codec), costs, NETWORK, [2], "weak")[0] for codec in (None, Half()))
    assert halved.wire_bytes == 0.75 * plain.wire_bytes
    saved = 0.25 * plain.wire_bytes * (5e-10 + 1 / 1.25e9)
    assert halved.exchange == pytest.approx(plain.exchange - saved)


@pytest.mark.parametrize("mode", ["ssp", "async"])
def test_modes_whose_steps_overlap_are_refused(mode: str) -> None:
    with pytest.raises(ConfigError, match=rf"parameter_server.mode: {mode} cannot be predicted.*sync, backup, local"):
        check_predictable(mode)
