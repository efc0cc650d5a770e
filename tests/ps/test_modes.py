"""Modes of consistency: what each promises, by its decisions alone and by training."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dist_bp.metrics.accuracy import Accuracy
from dist_bp.nn import Layer, Model
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.optim.rules.adam import Adam
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.ps.decision import COUNTED, NO_TICKET
from dist_bp.ps.lease import ServerReport, WorkerReport
from dist_bp.ps.modes import Async, Backup, Local, Mode, Ssp, Sync
from dist_bp.ps.modes.asynchronous import Tickets
from dist_bp.ps.modes.backup import FirstArrivals
from tests.ps.group import LocalGroup, Problem, plain_pass, straggle, train

SSP, BACKUP, ASYNC = Ssp(2), Backup(1), Async()
LOCAL = Local(4)
EVERY = [Sync(), SSP, BACKUP, ASYNC, LOCAL, Local(3, outer_momentum=0.5)]


def layers() -> list[Layer]:
    return [Dense(24), BatchNorm(), Dropout(0.3), Dense(5)]


def samples_in(reports: list[WorkerReport]) -> int:
    """Samples that the metrics of the workers have seen."""
    return sum(int(states["accuracy"]["count"].sum()) for report in reports for states in report.metrics.values())


def test_backup_takes_the_first_gradients_and_drops_the_late() -> None:
    backup = FirstArrivals(needed=2, version=5)
    assert backup.arrive(2, 6)
    assert backup.decide() is None
    assert not backup.arrive(1, 5)
    assert backup.arrive(0, 6)
    assert backup.decide() == ((0, 2), (COUNTED, COUNTED))
    assert not backup.arrive(1, 6)
    assert backup.decide() is None
    assert backup.arrive(1, 7)


@given(st.integers(1, 5), st.integers(1, 6), st.randoms())
def test_async_hands_out_every_share_once_in_any_order_of_arrival(workers: int, steps: int, random: Any) -> None:
    policy = Tickets(workers, workers * steps)
    working = {rank: rank for rank in range(workers)}
    done: list[int] = []
    while working:
        rank = random.choice(sorted(working))
        done.append(working.pop(rank))
        assert policy.arrive(rank, 1)
        decision = policy.decide()
        assert decision is not None
        assert decision.shares == (rank,)
        if decision.answers[0] != NO_TICKET:
            working[rank] = decision.answers[0]
    assert sorted(done) == list(range(workers * steps))
    assert policy.decide() is None


@given(st.integers(0, 50), st.integers(1, 20), st.integers(1, 7), st.integers(1, 4))
def test_the_updates_of_a_lease_cover_its_steps(first: int, steps: int, length: int, workers: int) -> None:
    rounds = Local(length).updates(first, first + steps, workers)
    assert rounds[0][0] == first
    assert rounds[-1][1] == first + steps
    assert all(a[1] == b[0] and a[1] % length == 0 for a, b in pairwise(rounds))
    assert all(0 < stop - start <= length for start, stop in rounds)
    halves = Local(length)
    middle = first + steps // 2 // length * length
    if middle > first and middle % length == 0:
        assert halves.updates(first, middle, 1) + halves.updates(middle, first + steps, 1) == rounds
    assert len(Async().updates(first, first + steps, workers)) == steps * workers


@pytest.mark.parametrize("servers", [1, 2])
def test_ssp_without_staleness_is_sync(servers: int) -> None:
    problem = Problem(layers=layers, dtype="float32")
    sync = train(problem, 3, servers, steps=20, leases=2)
    ssp = train(replace(problem, mode=Ssp(0)), 3, servers, steps=20, leases=2)
    assert ssp.parameters.tobytes() == sync.parameters.tobytes()
    assert ssp.statistics.tobytes() == sync.statistics.tobytes()
    assert ssp.optimizer["momentum"].tobytes() == sync.optimizer["momentum"].tobytes()


@pytest.mark.parametrize("servers", [0, 2])
@pytest.mark.parametrize("rule", [Sgd(learning_rate=1.0), Sgd(learning_rate=1.0, momentum=0.9)])
def test_local_with_one_step_of_sgd_is_sync(rule: Sgd, servers: int) -> None:
    problem = Problem(layers=layers, rule=rule)
    sync = train(problem, 3, servers, steps=12)
    local = train(replace(problem, mode=Local(1)), 3, servers, steps=12)
    np.testing.assert_allclose(local.parameters, sync.parameters, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(local.statistics, sync.statistics, rtol=1e-11, atol=1e-12)
    for name in rule.slots:
        np.testing.assert_allclose(local.optimizer[name], sync.optimizer[name], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("outer", [0.0, 0.6])
def test_local_is_the_average_of_what_each_worker_makes_by_itself(outer: float) -> None:
    """Three rounds of two steps of plain SGD over two workers, written out without the group."""
    problem = Problem(rule=Sgd(learning_rate=1.0), batch_size=24, rate=0.3)
    model = Model(problem.layers(), (problem.features,), "float64")
    parameters, _ = model.initialize(11)
    momentum = np.zeros_like(parameters)
    inputs, labels = problem.data()

    shares = [[problem.batches(2).parts(step, rank)[0].rows for step in range(6)] for rank in range(2)]
    for first in range(0, 6, 2):
        total, moved = sum(len(shares[rank][first + h]) for rank in range(2) for h in range(2)), 0.0
        for rank in range(2):
            own, count = parameters.copy(), 0
            for step in (first, first + 1):
                rows = shares[rank][step]
                count += len(rows)
                own -= problem.rate * plain_pass(model, own, inputs[rows], labels[rows])[1]
            moved = moved + count / total * (parameters - own)
        momentum = outer * momentum + moved
        parameters = parameters - momentum
    mode = Local(2, outer_momentum=outer)
    got = train(replace(problem, mode=mode), shares=2, steps=6)
    np.testing.assert_allclose(got.parameters, parameters, rtol=1e-11, atol=1e-12)


def test_ssp_is_never_staler_than_it_may_be_and_uses_every_sample() -> None:
    with LocalGroup(Problem(mode=SSP), shares=3) as group:
        straggle(group, 1, 0.01)
        servers, workers = group.run(0, 12)
    assert servers[0].counts.tolist() == 2 * [64, 64, 64, 64, 64, 10]
    assert 0 < servers[0].staleness.max() <= 2
    assert samples_in(workers) == 660


def test_ssp_lets_a_worker_run_ahead_by_the_staleness_and_no_further() -> None:
    with LocalGroup(Problem(mode=SSP), shares=2) as group:
        straggle(group, 0, 0.05)
        _, (late, early) = group.run(0, 8)
    begun, computed = early.times[:, 0], late.times[:, 1]
    assert begun[2] < computed[0]  # two steps ahead without waiting
    assert all(begun[step + 3] > computed[step] for step in range(5))


@pytest.mark.parametrize("servers", [1, 2])
def test_backup_goes_on_without_the_slowest_and_never_counts_what_it_dropped(servers: int) -> None:
    with LocalGroup(Problem(mode=BACKUP, samples=192), shares=3, servers=servers) as group:
        for worker, seconds in enumerate((0.02, 0.02, 0.1)):  # nine steps last longer than one of the slowest
            straggle(group, worker, seconds)
        reports, workers = group.run(0, 9)
        assert len(reports[0].losses) == 9
        assert workers[2].dropped > 0
        assert sum(workers[2].times[:, 3] - workers[2].times[:, 0] > 0.1) == len(workers[2].steps)
        assert samples_in(workers) == reports[0].counts.sum()
        # Groups of 8 over 3 workers: 16 or 24 samples each, and an update has those of at least two.
        assert set(reports[0].counts.tolist()) <= {40, 48, 64}
        assert 40 in reports[0].counts or 48 in reports[0].counts
        reports, _ = group.run(9, 18)
        assert len(reports[0].losses) == 9


@pytest.mark.parametrize("servers", [1, 2])
def test_async_uses_every_sample_once_and_gives_a_slow_worker_less_to_do(servers: int) -> None:
    with LocalGroup(Problem(mode=ASYNC), shares=3, servers=servers) as group:
        straggle(group, 0, 0.03)
        reports, workers = group.run(0, 12)
    assert reports[0].counts.sum() == 660 == samples_in(workers)
    assert len(reports[0].squares) == 36
    assert len(workers[0].steps) < 12 < max(len(worker.steps) for worker in workers)
    assert reports[0].staleness.max() > 0


def test_async_learning_rates_follow_the_sample_counts() -> None:
    with LocalGroup(Problem(mode=ASYNC, rate=0.1), shares=3) as group:
        (report,), _ = group.run(0, 6)
    np.testing.assert_allclose(report.learning_rates.sum(), 6 * 0.1, rtol=1e-12)


def test_async_with_one_worker_is_sync() -> None:
    problem = Problem(layers=layers, dtype="float32", rule=Adam(learning_rate=1.0), rate=0.01)
    sync, alone = train(problem, steps=15), train(replace(problem, mode=ASYNC), steps=15)
    assert alone.parameters.tobytes() == sync.parameters.tobytes()


@pytest.mark.parametrize("clip_norm", [None, 0.5])
@pytest.mark.parametrize("mode", EVERY, ids=lambda mode: mode.name)
def test_every_mode_learns(mode: Mode, clip_norm: float | None) -> None:
    problem = Problem(mode=mode, samples=96, batch_size=48, rate=0.1, clip_norm=clip_norm)
    with LocalGroup(problem, shares=3, servers=2) as group:
        losses = mean_losses(group, lambda step: step + 6, 60)
        snapshot = group.snapshot()
    assert losses[-1] < losses[0] - 0.1
    assert snapshot.step == 60
    assert np.isfinite(snapshot.parameters).all()


def mean_losses(group: LocalGroup, following: Callable[[int], int], last: int) -> list[float]:
    step, losses = 0, []
    while step < last:
        reports: list[ServerReport]
        reports, _ = group.run(step, following(step))
        losses.append(reports[0].losses.sum() / reports[0].counts.sum())
        step = following(step)
    return losses


@pytest.mark.parametrize("mode", EVERY, ids=lambda mode: mode.name)
def test_a_non_finite_loss_ends_every_mode_with_the_worker_named(mode: Mode) -> None:
    problem = Problem(mode=mode, batch_size=16, group_size=8)
    with LocalGroup(problem, shares=2, servers=2) as group:
        group.inputs[1][:] = np.inf
        servers, _ = group.run(0, 12)
    assert {report.non_finite.worker for report in servers if report.non_finite} == {1}


def test_metrics_of_a_mode_count_like_those_of_sync() -> None:
    accuracy = Accuracy()
    results = []
    for mode in (Sync(), ASYNC):
        with LocalGroup(Problem(mode=mode, rate=1e-9), shares=2) as group:
            _, workers = group.run(0, 6)
        states = accuracy.empty()
        for report in workers:
            for own in report.metrics.values():
                states = accuracy.merge(states, own["accuracy"])
        results.append(accuracy.result(states))
    assert results[0] == pytest.approx(results[1], abs=1e-6)
