import io
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from dist_bp.track.figures import BLUE, GREEN, ORANGE, RED, confusion_matrix, filters, loss_curves, predictions


def pixels(figure: Figure) -> Any:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts]


def test_loss_curves_show_both_splits_from_the_first_epoch() -> None:
    figure = loss_curves([3.0, 2.0, 1.5], [3.1, 2.2, 2.0], first_epoch=4, best_epoch=6)
    axes = figure.axes[0]
    train, validation, best = axes.get_lines()
    assert train.get_xydata().tolist() == [[4, 3.0], [5, 2.0], [6, 1.5]]
    assert validation.get_xydata().tolist() == [[4, 3.1], [5, 2.2], [6, 2.0]]
    assert list(best.get_xdata()) == [6, 6]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["training", "validation", "best: epoch 6"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "mean loss per sample")
    assert loss_curves([1.0], per="token").axes[0].get_ylabel() == "mean loss per token"
    assert axes.get_yscale() == "linear"
    assert len(np.unique(pixels(figure).reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize(
    ("losses", "scale"),
    [([2.0, 0.01], "log"), ([2.0, 0.0], "linear"), ([2.0, -5.0], "linear"), ([2.0, float("nan")], "linear")],
)
def test_a_wide_positive_range_is_logarithmic(losses: list[float], scale: str) -> None:
    figure = loss_curves(losses)
    assert figure.axes[0].get_yscale() == scale
    assert pixels(figure).shape == (405, 720, 3)


def test_one_epoch_without_validation_is_drawn() -> None:
    figure = loss_curves([1.0])
    assert len(figure.axes[0].get_lines()) == 1
    pixels(figure)


def test_confusion_matrix_shows_counts_and_fractions_of_the_true_class() -> None:
    counts = np.array([[8, 2, 0], [1, 0, 1], [0, 0, 0]])
    figure = confusion_matrix(counts, ["cat", "dog", "owl"], "test split")
    axes = figure.axes[0]
    assert texts(figure) == ["8", "2", "0", "1", "0", "1", "0", "0", "0"]
    shares = axes.get_images()[0].get_array()
    np.testing.assert_allclose(shares, [[0.8, 0.2, 0], [0.5, 0, 0.5], [0, 0, 0]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog", "owl"]
    assert axes.get_title() == "Confusion matrix, test split: 12 samples, accuracy 0.6667"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    pixels(figure)


def test_many_classes_are_drawn_without_counts_and_with_some_names() -> None:
    figure = confusion_matrix(np.eye(100, dtype=np.int64), [f"class {i}" for i in range(100)])
    assert texts(figure) == []
    assert 10 < len(figure.axes[0].get_yticks()) <= 25
    assert max(pixels(figure).shape) < 2000


def test_predictions_are_written_below_their_images_and_wrong_ones_are_red() -> None:
    images = np.zeros((2, 4, 8, 1), np.uint8)
    images[1, 0, 0] = 200
    figure = predictions(
        images.tolist(),
        ["cat", "dog"],
        ["cat", "a $cat$ of twenty"],
        [(0.987, 0.987), (0.75, 0.2)],
        [True, False],
        "two",
    )
    [axes] = figure.axes
    assert texts(figure) == ["two", "cat 0.99\ntrue: cat", "dog 0.75\ntrue: a $cat$ of tw… 0.20"]
    assert [text.get_color() for text in axes.texts[1:]] == [GREEN, RED]
    assert [patch.get_edgecolor()[:3] for patch in axes.patches] == [to_rgb(GREEN), to_rgb(RED)]
    for shown, image in zip(axes.get_images(), images, strict=True):
        np.testing.assert_array_equal(shown.get_array(), np.repeat(image, 3, axis=2))
        left, right, bottom, top = shown.get_extent()
        assert (right - left, bottom - top) == (96, 48)
    assert len(np.unique(pixels(figure).reshape(-1, 3), axis=0)) > 10


def test_what_is_predicted_is_written_right_below_an_image_that_is_not_high() -> None:
    images = np.zeros((7, 40, 160, 1), np.uint8)
    figure = predictions(images, ["a"] * 7, ["a"] * 7, [(1.0, 1.0)] * 7, [True] * 7, "samples")
    (axes,) = figure.axes
    captions = [text.get_position()[1] for text in axes.texts if "true:" in text.get_text()]
    assert captions == [image.get_extent()[2] + 4 for image in axes.get_images()]


def test_filters_of_one_channel_diverge_from_white_and_those_of_three_are_colours() -> None:
    kernel = np.array([[[[0.0, 2.0]]], [[[-4.0, 4.0]]]])
    figure = filters(kernel.tolist(), "2 filters")
    first, second = (image.get_array() for image in figure.axes[0].get_images())
    np.testing.assert_allclose(first, [[[1, 1, 1]], [to_rgb(ORANGE)]])
    np.testing.assert_allclose(second, [[(1 + np.array(to_rgb(BLUE))) / 2], [to_rgb(BLUE)]])
    assert texts(figure) == ["2 filters, weights up to ±4"]
    colours = filters(np.array([[[[1.0], [0.0], [-2.0]]]]), "one")
    np.testing.assert_allclose(colours.axes[0].get_images()[0].get_array(), [[[0.75, 0.5, 0.0]]])
    assert pixels(colours).shape[2] == 3
