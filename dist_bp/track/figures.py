"""Figures of a run, drawn with Matplotlib's object interface: no window, no global state."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from dist_bp.types import Array

BLUE, ORANGE, GREY, GREEN, RED = "#1f5fa8", "#d9730d", "#6b7280", "#15803d", "#c81e1e"
LOG_RANGE = 20.0  # a curve that spans more than this factor is drawn on a logarithmic axis
MAX_LABELLED_CLASSES = 25
LETTERS_PER_INCH = 6  # of names beside each other, with room between them
TILE, CAPTION, GAP, HEADING = 96, 32, 26, 40  # pixels


def loss_curves(
    train: Sequence[float],
    validation: Sequence[float] = (),
    *,
    first_epoch: int = 1,
    best_epoch: int | None = None,
    per: str = "sample",
) -> Figure:
    """Mean training and validation loss of each epoch, as it is for one of what `per` says; `best_epoch` is marked."""
    figure, axes = _figure(8.0, 4.5)
    _curve(axes, train, first_epoch, BLUE, "training")
    _curve(axes, validation, first_epoch, ORANGE, "validation")
    if best_epoch is not None:
        axes.axvline(best_epoch, color=GREY, linewidth=1, linestyle=":", label=f"best: epoch {best_epoch}")
    logarithmic_if_wide(axes, [*train, *validation])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="Loss", xlabel="epoch", ylabel=f"mean loss per {per}")
    axes.legend(frameon=False)
    return figure


def confusion_matrix(counts: ArrayLike, classes: Sequence[str], title: str = "") -> Figure:
    """Samples by true class (rows) and predicted class (columns).

    The colour is the fraction of the true class. Counts are written into the cells of up to 25 classes; of more,
    only some classes are named.

    Args:
        counts: (k, k) whole numbers.
        classes: k names.
    """
    counts, size = np.asarray(counts), len(classes)
    totals = counts.sum(axis=1, keepdims=True)
    fractions = counts / np.maximum(totals, 1)
    side = float(np.clip(2.5 + 0.5 * size, 4.5, 12.0))
    figure, axes = _figure(side + 1.0, side)
    image = axes.imshow(fractions, cmap="Blues", vmin=0.0, vmax=1.0)
    if size <= MAX_LABELLED_CLASSES:
        _write_counts(axes, counts, fractions)
    accuracy = np.trace(counts) / max(int(counts.sum()), 1)
    heading = f"Confusion matrix{f', {title}' if title else ''}"
    axes.set_title(f"{heading}: {int(counts.sum())} samples, accuracy {accuracy:.4f}")
    axes.set(xlabel="predicted class", ylabel="true class")
    ticks = list(range(0, size, -(-size // MAX_LABELLED_CLASSES)))
    names = [_shortened(classes[tick]) for tick in ticks]
    upright = sum(map(len, names)) <= LETTERS_PER_INCH * side or max(map(len, names), default=0) <= 3
    axes.set_xticks(ticks, names, rotation=0 if upright else 45, ha="center" if upright else "right")
    axes.set_yticks(ticks, names)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="fraction of the true class", shrink=0.85)
    return figure


def predictions(
    images: ArrayLike,
    predicted: Sequence[str],
    truth: Sequence[str],
    probabilities: Sequence[tuple[float, float]],
    right: Sequence[bool],
    title: str,
) -> Figure:
    """Images with the predicted class and its probability, and the true class, with its probability where it is another
    one; right ones are marked green, wrong ones red.

    Args:
        images: (n, height, width, 1 or 3) of uint8.
        predicted, truth: n names of classes.
        probabilities: n pairs, of the predicted and of the true class.
        right: n times whether the two classes are one.
    """
    pixels = np.asarray(images, np.uint8)
    figure, axes, places = _tiles(len(pixels), 6, CAPTION, title)
    for image, (left, top), name, true, (likely, unlikely), good in zip(
        pixels, places, predicted, truth, probabilities, right, strict=True
    ):
        bottom = _tile(axes, np.broadcast_to(image, (*image.shape[:2], 3)), left, top, GREEN if good else RED)
        text = f"{_shortened(name, 14)} {likely:.2f}\ntrue: {_shortened(true, 14)}{'' if good else f' {unlikely:.2f}'}"
        axes.text(
            left + TILE / 2, bottom + 4, text, ha="center", va="top", fontsize=7.5, color=GREEN if good else RED,
            parse_math=False,
        )  # fmt: skip
    return figure


def filters(weights: ArrayLike, title: str) -> Figure:
    """The filters of a convolution (rows, columns, 1 or 3, filters).

    Of one channel positive weights are blue and negative ones orange, the stronger the farther from white; of three a
    weight is the brightness of its colour, and middle grey is 0. The largest weight of all sets the scale.
    """
    kernels = np.moveaxis(np.asarray(weights, np.float64), -1, 0)
    largest = float(np.abs(kernels).max()) or 1.0
    figure, axes, places = _tiles(len(kernels), 8, 0, f"{title}, weights up to ±{largest:.2g}")
    for kernel, (left, top) in zip(kernels / largest, places, strict=True):
        _tile(axes, _diverging(kernel) if kernel.shape[2] == 1 else (kernel + 1) / 2, left, top, GREY)
    return figure


def _diverging(kernel: Array) -> Array:
    """From -1, orange, through white to 1, blue."""
    ends = np.where(kernel < 0, to_rgb(ORANGE), to_rgb(BLUE))
    colors: Array = 1 + np.abs(kernel) * (ends - 1)
    return colors


def _tiles(count: int, columns: int, caption: int, title: str) -> tuple[Figure, Axes, list[tuple[int, int]]]:
    """Axes in pixels over a whole figure, and the left upper corners of tiles with captions."""
    across, down = TILE + GAP, TILE + GAP // 2 + caption
    width = GAP + across * max(min(count, columns), 4)
    height = HEADING + down * -(-count // columns)
    figure = Figure(figsize=(width / 90, height / 90), dpi=90)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.text(GAP, HEADING / 2, title, va="center", fontsize=11, parse_math=False)
    places = [(GAP + index % columns * across, HEADING + index // columns * down) for index in range(count)]
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_autoscale_on(False)
    return figure, axes, places


def _tile(axes: Axes, image: Array, left: int, top: int, color: str) -> float:
    """An image as large as fits into a tile, in a frame; where it ends below."""
    height, width = image.shape[:2]
    scale = TILE / max(height, width)
    right, bottom = left + width * scale, top + height * scale
    axes.imshow(image, extent=(left, right, bottom, top), interpolation="nearest", aspect="auto")
    axes.add_patch(Rectangle((left, top), width * scale, height * scale, fill=False, edgecolor=color, linewidth=1.6))
    return float(bottom)


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), dpi=90, layout="constrained")
    axes = figure.add_subplot()
    plain(axes)
    return figure, axes


def plain(axes: Axes) -> None:
    """The look of all figures: a light grid, no box."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, color="#e5e7eb", linewidth=0.8)
    axes.set_axisbelow(True)


def _curve(axes: Axes, values: Sequence[float], first_epoch: int, color: str, label: str) -> None:
    if not values:
        return
    epochs = range(first_epoch, first_epoch + len(values))
    marker = "o" if len(values) <= 40 else None
    axes.plot(epochs, values, color=color, linewidth=1.8, marker=marker, markersize=3.5, label=label)


def logarithmic_if_wide(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic scale for positive values that span more than `LOG_RANGE`."""
    finite = [value for value in values if np.isfinite(value)]
    if finite and min(finite) > 0 and max(finite) > LOG_RANGE * min(finite):
        axes.set_yscale("log")


def _write_counts(axes: Axes, counts: Array, fractions: Array) -> None:
    size = 9 if len(counts) <= 12 else 7
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if fractions[row, column] > 0.5 else GREY if count == 0 else "black"
        axes.text(column, row, f"{int(count)}", ha="center", va="center", color=color, fontsize=size, in_layout=False)


def _shortened(name: str, limit: int = 18) -> str:
    return name if len(name) <= limit else f"{name[: limit - 1]}…"
