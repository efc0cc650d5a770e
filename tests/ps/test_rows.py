"""Networks with a table, trained by whole groups: what is touched costs, and the bits stay."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from dist_bp.data.samples import SampleStore
from dist_bp.nn import Field, Layer
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.tied_output import TiedOutput
from dist_bp.optim.rules.adagrad import Adagrad
from dist_bp.optim.rules.adam import Adam
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.ps.modes import Async, Backup, Local, Mode, Ssp, Sync
from dist_bp.types import Array
from tests.ps.group import LocalGroup, Problem, assert_same_bits, train

SAMPLES, LENGTH, WORDS, CLASSES = 90, 4, 9000, 5
"""The table has five chunks, most of which a step touches in some rows."""


def words() -> Array:
    return (np.random.default_rng(2).pareto(0.6, (SAMPLES, LENGTH)) * 9).astype(int) % WORDS


PROBLEM = Problem(
    layers=lambda: [Embedding(16), Flatten(), Dense(CLASSES)],
    spec=Field((LENGTH,), "int", False, WORDS),
    store=lambda: SampleStore(words(), np.random.default_rng(3).integers(0, CLASSES, SAMPLES)),
    samples=SAMPLES,
    batch_size=32,
    group_size=4,
    dtype="float32",
    rule=Sgd(learning_rate=1.0),
)
RULES = [
    Sgd(learning_rate=1.0),
    Adagrad(learning_rate=1.0),
    Adam(learning_rate=1.0),
    Sgd(learning_rate=1.0, momentum=0.9),
]
LAZY = Adam(learning_rate=1.0, lazy=True)
SSP = Ssp(2)


def tied() -> list[Layer]:
    return [Embedding(16), Dense(16), TiedOutput()]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_gradients_by_rows_give_the_bits_of_dense_ones(rule: Any) -> None:
    """Over the flush of small numbers, leases, and a last batch that leaves a worker without samples."""
    problem = replace(PROBLEM, rule=rule, accumulate=2)
    whole = train(replace(problem, by_rows=False), 3, steps=131, leases=2)
    assert_same_bits(train(problem, 3, servers=2, steps=131, leases=3), whole)


@pytest.mark.parametrize("rule", [RULES[0], RULES[2]], ids=str)
def test_gradients_by_rows_on_one_node_give_the_bits_of_dense_ones_on_two(rule: Any) -> None:
    problem = replace(PROBLEM, rule=rule)
    assert_same_bits(train(problem, 5, servers=2, steps=7), train(problem, servers=0, steps=7, placement=(2, 3)))


@pytest.mark.parametrize("rule", [RULES[0], LAZY], ids=str)
@pytest.mark.parametrize("clip_norm", [None, 0.01])
def test_servers_and_leases_change_no_bit(rule: Any, clip_norm: float | None) -> None:
    problem = replace(PROBLEM, rule=rule, clip_norm=clip_norm)
    assert_same_bits(train(problem, 2, 1, steps=9), train(problem, 2, 3, steps=9, leases=3))


def test_clipping_is_that_of_the_whole_gradient() -> None:
    problem = replace(PROBLEM, clip_norm=0.01, dtype="float64")
    clipped, whole = train(problem, 2, steps=9), train(replace(problem, by_rows=False), 2, steps=9)
    np.testing.assert_allclose(clipped.parameters, whole.parameters, rtol=1e-12, atol=1e-15)
    assert not np.allclose(clipped.parameters, train(replace(problem, clip_norm=None), 2, steps=9).parameters)


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers_makes_the_same_lazy_update(workers: int) -> None:
    problem = replace(PROBLEM, rule=LAZY, dtype="float64", rate=0.01)
    one, many = train(problem, 1, steps=12), train(problem, workers, steps=12)
    np.testing.assert_allclose(many.parameters, one.parameters, rtol=1e-9, atol=1e-10)


def test_lazy_is_another_rule_than_adam() -> None:
    adam, lazy = train(replace(PROBLEM, rule=RULES[2]), 2, steps=12), train(replace(PROBLEM, rule=LAZY), 2, steps=12)
    assert not np.allclose(adam.parameters, lazy.parameters, atol=1e-3)


@pytest.mark.parametrize("rule", [RULES[1], RULES[2]], ids=str)
def test_a_tied_table_is_dense(rule: Any) -> None:
    """Its scores have gradients for all rows; a worker without samples has none for any."""
    problem = replace(
        PROBLEM,
        layers=tied,
        rule=rule,
        samples=34,
        spec=Field((LENGTH,), "int", False, 900),
        store=lambda: SampleStore(words() % 900, words() % 900),
    )
    assert_same_bits(train(problem, 3, 2, steps=4), train(replace(problem, by_rows=False), 3, steps=4))


MODES = [Sync(), SSP, Backup(1), Async()]


@pytest.mark.parametrize(("mode", "rule"), [*product(MODES, [RULES[0], LAZY]), (Local(3), RULES[0])], ids=str)
def test_every_mode_learns(mode: Mode, rule: Any) -> None:
    problem = replace(PROBLEM, mode=mode, rule=rule, rate=0.02 if rule.lazy else 0.5)
    with LocalGroup(problem, 2, 2) as group:
        first, _ = group.run(0, 6)
        for start in range(6, 42, 12):
            last, _ = group.run(start, start + 12)
    assert last[0].losses[-3:].sum() / last[0].counts[-3:].sum() < 0.7 * first[0].losses[0] / first[0].counts[0]


def test_one_worker_makes_of_stale_gradients_what_it_makes_of_dense_ones() -> None:
    """With one worker the stale versions are always the same."""
    problem = replace(PROBLEM, mode=Async(), rule=RULES[1])
    assert_same_bits(train(problem, 1, 2, steps=20, leases=4), train(replace(problem, by_rows=False), 1, steps=20))


def test_going_on_from_a_snapshot_gives_the_same_bits() -> None:
    problem = replace(PROBLEM, rule=LAZY)
    with LocalGroup(problem, 2, 2) as one, LocalGroup(problem, 2) as other:
        one.run(0, 7)
        other.write(one.snapshot())
        one.run(7, 20)
        other.run(7, 20)
        assert_same_bits(one.snapshot(), other.snapshot())


def test_training_goes_on_after_a_gradient_that_is_not_finite() -> None:
    """Which names its parameter, by the rows that the step has written."""
    problem = replace(PROBLEM, rule=RULES[1])
    with LocalGroup(problem, 2, 2) as group:
        group.run(0, 5)
        kept = group.snapshot()
        spoilt = kept.parameters.copy()
        spoilt[:] = np.inf
        group.write(replace(kept, parameters=spoilt), 5)
        reports, _ = group.run(5, 8)
        assert reports[0].non_finite
        assert group.workers[0].non_finite([0]) == {0: "0.table"}
        group.write(kept, 5)
        group.run(5, 9)
        assert not group.workers[0].non_finite([0])
        assert_same_bits(group.snapshot(), train(problem, 2, steps=9))
