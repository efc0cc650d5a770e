"""Samples of every kind give one worker's update to any number of workers, and one worker's scores."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dist_bp.data.samples import Gatherer, RaggedArray, SampleStore
from dist_bp.data.text.long import stretches
from dist_bp.metrics.accuracy import Accuracy
from dist_bp.nn import Context, Field, Gradients, Layer, Model, Views
from dist_bp.nn.layers.batch_norm import BatchNorm
from dist_bp.nn.layers.branches import Branches
from dist_bp.nn.layers.conv2d import Conv2d
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.global_average_pool import GlobalAveragePool
from dist_bp.nn.layers.group_norm import GroupNorm
from dist_bp.nn.layers.gru import Gru
from dist_bp.nn.layers.layer_norm import LayerNorm
from dist_bp.nn.layers.residual import Residual
from dist_bp.nn.types import Backward
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.ps.modes import Async, Backup, Local, Ssp
from dist_bp.types import Array
from tests.ps.group import LocalGroup, Problem, straggle, train

SAMPLES, WORDS, CLASSES = 75, 7, 3
"""Batches of 32 in groups of 4: the last one of an epoch has 11 samples, and of four workers one has none of it."""
GENERATOR = np.random.default_rng(2)
LENGTHS = GENERATOR.integers(0, 12, SAMPLES)
LABELS = GENERATOR.integers(0, CLASSES, SAMPLES)


def ragged(values: Array) -> RaggedArray:
    return RaggedArray(values, np.concatenate([[0], np.cumsum(LENGTHS)]))


def for_each_word(high: int, seed: int) -> RaggedArray:
    return ragged(np.random.default_rng(seed).integers(0, high, LENGTHS.sum()))


def weights() -> Array:
    """Uneven, and 0 for whole shares: the first 16 samples of step 0, those of step 1 from the 8th, all of step 2."""
    random = np.random.default_rng(3)
    values = random.uniform(0.1, 3.0, SAMPLES) * (random.random(SAMPLES) > 0.2)
    batches = PROBLEM.batches()
    for step, light in enumerate((slice(0, 16), slice(8, None), slice(0, None))):
        values[batches.whole(step)[light]] = 0.0
    return values


def tagger() -> list[Layer]:
    return [Embedding(4), LayerNorm(), Dropout(0.2), Residual([Dense(4, "tanh")]), Dense(CLASSES)]


def several() -> list[Layer]:
    pixels: list[Layer] = [Conv2d(4, 3), GroupNorm(2), GlobalAveragePool()]
    words: list[Layer] = [Embedding(2, padding=0), Flatten()]
    return [Branches({"pixels": pixels, "words": words, "table": [BatchNorm()]}), Dropout(0.2), Dense(CLASSES)]


def named_inputs() -> dict[str, Array]:
    random = np.random.default_rng(4)
    return {
        "pixels": random.normal(size=(SAMPLES, 4, 5, 1)),
        "words": random.integers(0, WORDS, (SAMPLES, 3)),
        "table": random.normal(size=(SAMPLES, 2)),
    }


PROBLEM = Problem(samples=SAMPLES, batch_size=32, group_size=4, rate=0.2)
ROWS = replace(
    PROBLEM,
    layers=lambda: [Dense(6), BatchNorm(), Dense(CLASSES)],
    spec=Field((5,)),
    store=lambda: SampleStore(np.random.default_rng(1).normal(size=(SAMPLES, 5)), LABELS, weights()),
)
POSITIONS = np.random.default_rng(6).normal(size=(SAMPLES, 4, 5))
KINDS = {
    "weighted": ROWS,
    "a label for each word": replace(
        PROBLEM,
        layers=tagger,
        spec=Field((), "int", True, WORDS),
        store=lambda: SampleStore(for_each_word(WORDS, 7), for_each_word(CLASSES, 8)),
    ),
    "weighted words": replace(
        PROBLEM,
        layers=tagger,
        spec=Field((), "int", True, WORDS),
        store=lambda: SampleStore(for_each_word(WORDS, 7), for_each_word(CLASSES, 8), weights()),
    ),
    "sequences of numbers": replace(
        PROBLEM,
        layers=lambda: [Dense(6, "tanh"), LayerNorm(), Dropout(0.3), Dense(CLASSES)],
        spec=Field((2,), ragged=True),
        store=lambda: SampleStore(
            ragged(np.random.default_rng(9).normal(size=(LENGTHS.sum(), 2))), for_each_word(CLASSES, 8)
        ),
    ),
    "a label for each position": replace(
        PROBLEM,
        layers=lambda: [Dense(6, "tanh"), BatchNorm(), Dense(CLASSES)],
        spec=Field((4, 5)),
        store=lambda: SampleStore(POSITIONS, np.argmax(POSITIONS[..., :CLASSES], axis=-1), weights()),
    ),
    "stretches of a text": replace(
        PROBLEM,
        layers=lambda: [Embedding(4), Gru(3), Dropout(0.2), Dense(WORDS)],
        spec=Field((), "int", True, WORDS),
        store=lambda: stretches(np.random.default_rng(5).integers(0, WORDS, 5 * SAMPLES - 1), 5),
        context=5,
    ),
    "several inputs": replace(
        PROBLEM,
        layers=several,
        spec={
            "pixels": Field((4, 5, 1)),
            "words": Field((3,), "int", count=WORDS),
            "table": Field((2,)),
        },
        store=lambda: SampleStore(named_inputs(), LABELS, weights()),
    ),
}
EVERY_KIND = pytest.mark.parametrize("problem", KINDS.values(), ids=KINDS)


def assert_close(many: Any, one: Any) -> None:
    np.testing.assert_allclose(many.parameters, one.parameters, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(many.statistics, one.statistics, rtol=1e-11, atol=1e-12)
    for name, state in one.optimizer.items():
        np.testing.assert_allclose(many.optimizer[name], state, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("accumulate", [1, 2])
@EVERY_KIND
def test_any_number_of_workers_computes_the_same_update(problem: Problem, accumulate: int) -> None:
    problem = replace(problem, accumulate=accumulate)
    one = train(problem, steps=8)
    assert np.isfinite(one.parameters).all()
    for workers in (2, 3, 4):
        assert_close(train(problem, workers, steps=8), one)


@EVERY_KIND
def test_a_run_again_and_with_more_servers_has_the_same_bits(problem: Problem) -> None:
    once, again = train(problem, 3, steps=5), train(problem, 3, servers=2, steps=5, leases=2)
    assert again.parameters.tobytes() == once.parameters.tobytes()
    assert again.statistics.tobytes() == once.statistics.tobytes()


@EVERY_KIND
def test_modes_that_are_sync_where_nobody_is_late(problem: Problem) -> None:
    sync = train(problem, 3, steps=8)
    ssp = train(replace(problem, mode=Ssp(0)), 3, steps=8)
    assert ssp.parameters.tobytes() == sync.parameters.tobytes()
    backup = train(replace(problem, mode=Backup(0)), 3, steps=8)
    assert backup.parameters.tobytes() == sync.parameters.tobytes()
    assert_close(train(replace(problem, mode=Local(1)), 3, steps=8), sync)
    alone = train(problem, steps=8)
    assert_close(train(replace(problem, mode=Async()), steps=8), alone)


@EVERY_KIND
def test_local_steps_are_averaged_by_weight(problem: Problem) -> None:
    """Rounds of two steps of plain SGD over three workers, written out without the group."""
    model, (parameters, statistics) = problem.model(), problem.model().initialize(11)
    for first in (0, 2, 4):
        moved, whole = np.zeros_like(parameters), 0.0
        for rank in range(3):
            own, weight = parameters.copy(), 0.0
            for step in (first, first + 1):
                gradient, more = mean_gradient(problem, model, own, statistics, step, rank, 3)
                own -= problem.rate * gradient
                weight += more
            moved += weight * (parameters - own)
            whole += weight
        parameters = parameters - moved / whole
    mode = Local(2)
    got = train(replace(problem, mode=mode, rule=Sgd(learning_rate=1.0)), shares=3, steps=6)
    np.testing.assert_allclose(got.parameters, parameters, rtol=1e-10, atol=1e-12)


@EVERY_KIND
def test_async_updates_add_up_to_the_whole_batch(problem: Problem) -> None:
    """With a rate so small that stale parameters are as good as new ones: each gradient counts by its weight."""
    problem = replace(problem, rule=Sgd(learning_rate=1.0), rate=1e-7)
    start, _ = problem.model().initialize(11)
    sync = train(problem, 3, steps=3).parameters - start
    moved = train(replace(problem, mode=Async()), 3, steps=3).parameters - start
    np.testing.assert_allclose(moved, sync, rtol=1e-4, atol=1e-4 * np.abs(sync).max())


def test_an_update_of_no_samples_leaves_the_statistics() -> None:
    """Of the last batch, two groups, two of four workers have something; the others may be first."""
    problem = replace(
        ROWS,
        mode=Backup(2),
        samples=40,
        store=lambda: SampleStore(np.random.default_rng(1).normal(size=(40, 5)), LABELS[:40]),
    )
    with LocalGroup(problem, 4) as group:
        for rank in (1, 3):
            straggle(group, rank, 0.2)
        group.run(0, 1)
        before = group.snapshot()
        (report,), _ = group.run(1, 2)
        after = group.snapshot()
    assert report.counts.tolist() == [0]
    np.testing.assert_array_equal(after.statistics, before.statistics)


def mean_gradient(
    problem: Problem, model: Model, parameters: Array, statistics: Array, step: int, share: int, shares: int
) -> tuple[Array, float]:
    """Of a share, and its weight; zeros where it has none."""
    batches = problem.batches(shares)
    samples = problem.samples_of().shifted(batches.shift(step))
    parts = batches.parts(step, share)
    gradient, sums = np.zeros_like(parameters), np.zeros_like(statistics)
    if not parts:
        return gradient, 0.0
    batch = Gatherer(samples, batches.largest).batch(*parts[0], batches.whole(step))
    context, views = model.context(3), Gradients(model.layout.views(gradient))
    context.begin(
        training=True,
        step=step,
        groups=batch.groups,
        statistics=model.statistics_layout.views(statistics),
        sums=Gradients(model.statistics_layout.views(sums)),
    )
    outputs, backward = model.forward(batch.inputs, model.layout.views(parameters), context)
    _, weight, slope = problem.loss()(outputs, batch.targets, context, batch.weights)
    views.begin()
    backward(slope, views)
    views.end()
    return gradient / (weight or 1.0), weight


@EVERY_KIND
def test_evaluation_is_exact_over_all_shards(problem: Problem) -> None:
    accuracy = Accuracy()
    with LocalGroup(problem) as group:
        (whole,) = group.evaluate("train")
    for workers in (2, 4):
        with LocalGroup(problem, workers) as group:
            parts = group.evaluate("train")
        assert sum(part.weight for part in parts) == pytest.approx(whole.weight, rel=1e-13)
        assert sum(part.loss for part in parts) == pytest.approx(whole.loss, rel=1e-12)
        state = accuracy.empty()
        for part in parts:
            state = accuracy.merge(state, part.metrics["accuracy"])
        assert accuracy.result(state) == pytest.approx(accuracy.result(whole.metrics["accuracy"]), rel=1e-13)


@pytest.mark.parametrize("workers", [1, 2])
def test_stretches_of_a_text_begin_elsewhere_in_each_epoch(workers: int) -> None:
    """Read from what the network sees: each token once, but for those before the first cut where they are too many."""
    seen: list[Array] = []

    class Seeing(Embedding):
        def forward(self, x: Array, params: Views, ctx: Context) -> tuple[Array, Backward]:
            seen.append(x.copy())
            return super().forward(x, params, ctx)

    problem = Problem(
        lambda: [Seeing(2), Dense(40)],
        samples=8,
        batch_size=4,
        group_size=2,
        spec=Field((), "int", True, 40),
        store=lambda: stretches(np.arange(1, 41), 5),
        context=5,
    )
    shifts = [problem.batches().shift(2 * epoch) for epoch in range(7)]
    assert {*shifts} == {0, 1, 2, 3, 4}
    with LocalGroup(problem, workers) as group:
        for epoch, shift in enumerate(shifts):
            seen.clear()
            group.run(2 * epoch, 2 * epoch + 2)
            rows = sorted(row[row > 0].tolist() for part in seen for row in part)
            begun = [1] * (shift == 4) + [*range(1 + shift, 40, 5)]
            assert [row[0] for row in rows] == begun
            assert [*itertools.chain(*rows)] == [*range(begun[0], 40)]
