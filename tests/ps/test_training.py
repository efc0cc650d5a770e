"""What a group computes: the same update whatever the number of workers, servers, leases and parts."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dist_bp.metrics.accuracy import Accuracy
from dist_bp.nn import Layer, Model
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.optim.rules.adam import Adam
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.ps.modes import Backup, Local, Mode, Sync
from tests.ps.group import LocalGroup, Problem, plain_pass, train


def plain() -> list[Layer]:
    return [Dense(24, activation="tanh"), Dense(5)]


def random_and_statistical() -> list[Layer]:
    return [
        Dense(24),
        BatchNorm(),
        Dropout(0.3),
        Dense(16, activation="gelu"),
        LayerNorm(),
        Dropout(0.2),
        Dense(5),
    ]


def wide() -> list[Layer]:
    """Three chunks of parameters, so that two servers both have some."""
    return [Dense(1500, activation="tanh"), Dense(50, activation="relu"), Dense(5)]


@pytest.mark.parametrize("layers", [plain, random_and_statistical])
@pytest.mark.parametrize("shares", [2, 3, 4])
def test_any_number_of_shares_makes_the_same_update(layers: Any, shares: int) -> None:
    problem = Problem(layers=layers)
    one, many = train(problem), train(problem, shares)
    np.testing.assert_allclose(many.parameters, one.parameters, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(many.statistics, one.statistics, rtol=1e-12, atol=1e-12)
    assert not np.array_equal(one.parameters, train(problem, steps=49).parameters)


@pytest.mark.parametrize("workers", [2, 3, 4])
def test_in_float32_they_differ_by_rounding_only(workers: int) -> None:
    problem = Problem(layers=random_and_statistical, dtype="float32")
    one, many = train(problem), train(problem, workers)
    np.testing.assert_allclose(many.parameters, one.parameters, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("clip_norm", [None, 0.05])
@pytest.mark.parametrize("rule", [Sgd(learning_rate=1.0, momentum=0.9), Adam(learning_rate=1.0)])
def test_any_number_of_servers_gives_the_same_bits_wherever_they_are(clip_norm: float | None, rule: Any) -> None:
    problem = Problem(layers=wide, dtype="float32", rule=rule, rate=0.01, clip_norm=clip_norm, weight_decay=1e-3)
    one = train(problem, shares=2, servers=1, steps=12)
    for servers in (2, 0):
        other = train(problem, shares=2, servers=servers, steps=12)
        np.testing.assert_array_equal(one.parameters, other.parameters)
        for name in rule.slots:
            np.testing.assert_array_equal(one.optimizer[name], other.optimizer[name])


def test_clipping_changes_the_update() -> None:
    problem = Problem(layers=wide, rate=0.01)
    clipped = train(replace(problem, clip_norm=0.05), steps=3)
    assert not np.allclose(clipped.parameters, train(problem, steps=3).parameters)


def test_two_runs_with_one_seed_give_the_same_bits() -> None:
    problem = Problem(layers=random_and_statistical, dtype="float32")
    np.testing.assert_array_equal(train(problem, 3, 2).parameters, train(problem, 3, 2).parameters)


def test_the_length_of_leases_does_not_matter() -> None:
    problem = Problem(layers=random_and_statistical, dtype="float32")
    np.testing.assert_array_equal(train(problem, 2, leases=1).parameters, train(problem, 2, leases=7).parameters)


def test_accumulating_batches_is_one_larger_batch() -> None:
    problem = Problem(layers=random_and_statistical, batch_size=16)
    accumulated = train(replace(problem, accumulate=4), shares=2, steps=10)
    whole = train(replace(problem, batch_size=64), shares=2, steps=10)
    np.testing.assert_allclose(accumulated.parameters, whole.parameters, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(accumulated.statistics, whole.statistics, rtol=1e-12, atol=1e-12)


def test_a_short_last_batch_can_leave_a_worker_without_samples() -> None:
    # 330 samples: the last batch of an epoch has 10, two groups of 8 for four workers.
    problem = Problem()
    np.testing.assert_allclose(
        train(problem, 4, steps=12).parameters, train(problem, 1, steps=12).parameters, atol=1e-12
    )


def test_the_update_is_that_of_textbook_gradient_descent() -> None:
    """Whole batches, no momentum: p -= rate * mean gradient, computed here without the group."""
    problem = Problem(rule=Sgd(learning_rate=1.0), batch_size=330, rate=0.5)
    model = Model(problem.layers(), (problem.features,), "float64")
    parameters, _ = model.initialize(11)
    for _ in range(5):
        parameters -= problem.rate * plain_pass(model, parameters, *problem.data())[1]
    np.testing.assert_allclose(train(problem, 3, 2, steps=5).parameters, parameters, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("beside", [True, False], ids=["beside workers", "own processes"])
def test_reports_hold_the_exact_sums(beside: bool) -> None:
    """Plain gradient descent over the batches of an epoch, and what is known of each of its steps."""
    problem = Problem(rule=Sgd(learning_rate=1.0))
    with LocalGroup(problem, shares=3, servers=0 if beside else 1) as group:
        servers, workers = group.run(0, 6)
    model = Model(problem.layers(), (problem.features,), "float64")
    parameters, _ = model.initialize(11)
    inputs, labels = problem.data()
    losses, squares, hits = [], [], 0
    for step in range(6):
        rows = problem.batches().parts(step)[0].rows
        loss, gradient, outputs = plain_pass(model, parameters, inputs[rows], labels[rows])
        losses.append(loss)
        squares.append((gradient**2).sum())
        hits += int((outputs.argmax(axis=1) == labels[rows]).sum())
        parameters -= problem.rate * gradient
    assert servers[0].counts.tolist() == [64, 64, 64, 64, 64, 10]
    np.testing.assert_allclose(servers[0].losses, losses, rtol=1e-12)
    np.testing.assert_allclose(servers[0].squares, squares, rtol=1e-12)
    assert servers[0].learning_rates.tolist() == [0.1] * 6
    accuracy = Accuracy()
    merged = accuracy.empty()
    for states in (own for report in workers for own in report.metrics.values()):
        merged = accuracy.merge(merged, states["accuracy"])
    assert accuracy.result(merged) == hits / 330
    assert all(report.times.shape == (6, 4) for report in workers)
    assert all((np.diff(report.times, axis=1) >= 0).all() for report in (*servers, *workers))
    assert workers[0].steps.tolist() == list(range(6))


def test_evaluation_is_exact_over_all_shards() -> None:
    problem = Problem()
    with LocalGroup(problem, shares=3) as many, LocalGroup(problem) as one:
        parts = many.evaluate("train")
        (whole,) = one.evaluate("train")
    assert sum(part.weight for part in parts) == whole.weight == 330
    assert sum(part.loss for part in parts) == pytest.approx(whole.loss, rel=1e-12)


@pytest.mark.parametrize("servers", [0, 2])
def test_a_non_finite_loss_is_not_applied_and_names_its_worker(servers: int) -> None:
    problem = Problem(batch_size=16, group_size=8)
    with LocalGroup(problem, 2, servers) as group:
        group.run(0, 3)
        before = group.snapshot()
        group.inputs[1][:] = np.inf
        reports, _ = group.run(3, 8)
        after = group.snapshot()
        assert {report.non_finite.worker for report in reports if report.non_finite} == {1}
        assert group.workers[1].non_finite([1]) == {1: "0.weight"}
    assert after.step == before.step == 3
    np.testing.assert_array_equal(after.parameters, before.parameters)


@pytest.mark.parametrize(("mode", "servers"), [(Sync(), 0), (Sync(), 2), (Local(2), 0), (Local(2), 2), (Backup(1), 2)])
def test_metrics_do_not_count_a_batch_that_is_skipped(mode: Mode, servers: int) -> None:
    with LocalGroup(Problem(mode=mode, batch_size=16, group_size=8), 2, servers) as group:
        good = [inputs.copy() for inputs in group.inputs]
        counted = []
        for first, last, spoilt in ((0, 2, False), (2, 4, True), (4, 6, False)):
            for inputs, own in zip(group.inputs, good, strict=True):
                inputs[:] = np.nan if spoilt else own
            reports, workers = group.run(first, last)
            assert any(report.non_finite for report in reports) == spoilt
            states = [own["accuracy"] for worker in workers for own in worker.metrics.values()]
            counted.append(sum(int(own["count"].sum()) for own in states))
            assert counted[-1] == sum(reports[0].counts)
    assert counted[1] == 0 < min(counted[0], counted[2])


@pytest.mark.parametrize("servers", [0, 2])
def test_training_goes_on_after_an_aborted_lease(servers: int) -> None:
    problem = Problem(batch_size=16, group_size=8)
    with LocalGroup(problem, 2, servers) as group:
        inputs, good = group.inputs[0], group.inputs[0].copy()
        inputs[:] = np.nan
        group.run(0, 5)
        inputs[:] = good
        group.run(0, 5)
        snapshot = group.snapshot()
    np.testing.assert_array_equal(snapshot.parameters, train(problem, 2, 2, steps=5).parameters)
