"""What language models are measured by: every position of a sample counts, and what lies beyond its length does not."""

import math

import numpy as np
import pytest

from dist_bp.components import metric
from dist_bp.data.samples import Batch
from dist_bp.nn import Field, Model, Ragged
from dist_bp.nn.layers.activation import Activation
from dist_bp.scoring import Scorer

NAMES = ("accuracy", "log_loss", "perplexity", "bits_per_character")
LENGTHS = np.array([3, 0, 5, 1])
SCORES = np.random.default_rng(0).normal(size=(4, 5, 3))
LABELS = np.random.default_rng(1).integers(0, 3, (4, 5))


def measured(weights: np.ndarray | None) -> dict[str, float]:
    """By two shares whose batches are padded to different lengths."""
    metrics = {name: metric(name) for name in NAMES}
    model = Model([Activation("tanh")], Field((3,), ragged=True), "float64")
    scorer = Scorer(model, None, metrics)
    totals = {name: one.empty() for name, one in metrics.items()}
    for rows, longest in ((slice(2), 3), (slice(2, 4), 5)):
        states = {name: one.empty() for name, one in metrics.items()}
        context = model.context(0)
        context.begin(training=False)
        inputs, targets = (Ragged(array[rows, :longest].copy(), LENGTHS[rows]) for array in (SCORES, LABELS))
        scorer.score(Batch(inputs, targets, None if weights is None else weights[rows]), {}, context, states)
        totals = {name: one.merge(totals[name], states[name]) for name, one in metrics.items()}
    return {name: float(one.result(totals[name])) for name, one in metrics.items()}


@pytest.mark.parametrize("weights", [None, np.array([2.0, 1.0, 0.5, 3.0])])
def test_every_position_counts_with_the_weight_of_its_sample(weights: np.ndarray | None) -> None:
    total = right = count = 0.0
    for sample, length in enumerate(LENGTHS):
        weight = 1.0 if weights is None else weights[sample]
        for scores, label in zip(np.tanh(SCORES[sample, :length]), LABELS[sample], strict=False):
            total += weight * (math.log(math.fsum(map(math.exp, scores))) - scores[label])
            right += weight * (max(range(3), key=lambda k: scores[k]) == label)
            count += weight
    loss = total / count
    expected = {"accuracy": right / count, "log_loss": loss, "perplexity": math.exp(loss)}
    assert measured(weights) == pytest.approx({**expected, "bits_per_character": loss / math.log(2)}, rel=1e-12)


def test_a_network_that_is_sure_and_wrong_is_infinitely_perplexed() -> None:
    perplexity = metric("perplexity")
    state = perplexity.empty()
    perplexity.update(state, np.array([[1e4, 0.0]]), np.array([1]))
    assert perplexity.result(state) == math.inf
    assert math.isnan(float(perplexity.result(perplexity.empty())))
