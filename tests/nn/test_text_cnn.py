"""Filters of several widths over sentences, against loops."""

import numpy as np
import pytest

from dist_bp.errors import ConfigError, ShapeError
from dist_bp.nn import Model, Ragged
from dist_bp.nn.layers.text_cnn import TextCnn
from dist_bp.signals import Field
from dist_bp.types import Array

CHANNELS, FILTERS, WIDTHS = 3, 4, (1, 3, 5)
VALUES = np.random.default_rng(1).normal(size=(6, 8, CHANNELS))
LENGTHS = np.array([8, 1, 4, 0, 5, 3])


def output(values: Array, lengths: Array | None, layer: TextCnn | None = None) -> tuple[Array, dict[str, Array]]:
    layer = layer or TextCnn(FILTERS, WIDTHS)
    spec = Field((CHANNELS,), ragged=True) if lengths is not None else Field(values.shape[1:])
    model = Model([layer], spec, "float64")
    vector, statistics = model.initialize(3)
    vector += 0.1
    ctx = model.context(0)
    ctx.begin(training=False, statistics=model.statistics_layout.views(statistics))
    views = model.layout.views(vector)
    x = values if lengths is None else Ragged(values, lengths)
    return model.forward(x, views, ctx)[0].copy(), next(iter(views.values()))


def looped(sentence: Array, weights: dict[str, Array]) -> Array:
    """Every window of a sentence for itself."""
    found = []
    for width in WIDTHS:
        kernel = weights[f"weight_{width}"].reshape(CHANNELS, width, FILTERS)
        filled = np.concatenate([sentence, np.zeros((max(width - len(sentence), 0), CHANNELS))])
        windows = [filled[start : start + width] for start in range(len(filled) - width + 1)]
        found.append(np.max([np.einsum("tc,ctf->f", window, kernel) for window in windows], axis=0))
    return np.concatenate(found) + weights["bias"]


def test_outputs_are_the_largest_over_all_windows_of_a_sentence() -> None:
    y, weights = output(VALUES, LENGTHS)
    for row, (sentence, length) in enumerate(zip(VALUES, LENGTHS, strict=True)):
        np.testing.assert_allclose(y[row], looped(sentence[:length], weights), rtol=1e-12)


def test_what_lies_beyond_a_sentence_changes_nothing() -> None:
    other = VALUES.copy()
    for sentence, length in zip(other, LENGTHS, strict=True):
        sentence[length:] = 1e6
    np.testing.assert_array_equal(output(VALUES, LENGTHS)[0], output(other, LENGTHS)[0])


def test_sentences_of_one_length_may_be_shorter_than_a_window() -> None:
    y, weights = output(VALUES[:, :2], None)
    np.testing.assert_allclose(y, [looped(sentence[:2], weights) for sentence in VALUES], rtol=1e-12)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(ConfigError, match="widths: must be different ones"):
        TextCnn(2, [3, 3])
    with pytest.raises(ShapeError, match=r"text_cnn takes samples of shape \(positions, channels\), its input is 5"):
        Model([TextCnn(2)], Field((5,)))
