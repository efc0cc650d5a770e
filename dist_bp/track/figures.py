"""Figures of a run, drawn with Matplotlib's object interface: no window, no global state."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from dist_bp.types import Array

BLUE, ORANGE, GREY = "#1f5fa8", "#d9730d", "#6b7280"
LOG_RANGE = 20.0  # a curve that spans more than this factor is drawn on a logarithmic axis
MAX_LABELLED_CLASSES = 25


def loss_curves(
    train: Sequence[float],
    validation: Sequence[float] = (),
    *,
    first_epoch: int = 1,
    best_epoch: int | None = None,
) -> Figure:
    """Mean training and validation loss per epoch; `best_epoch` is marked."""
    figure, axes = _figure(8.0, 4.5)
    _curve(axes, train, first_epoch, BLUE, "training")
    _curve(axes, validation, first_epoch, ORANGE, "validation")
    if best_epoch is not None:
        axes.axvline(best_epoch, color=GREY, linewidth=1, linestyle=":", label=f"best: epoch {best_epoch}")
    logarithmic_if_wide(axes, [*train, *validation])
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(title="Loss", xlabel="epoch", ylabel="mean loss per sample")
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
    upright = max(map(len, names), default=0) <= 3
    axes.set_xticks(ticks, names, rotation=0 if upright else 45, ha="center" if upright else "right")
    axes.set_yticks(ticks, names)
    axes.spines[:].set_visible(False)
    axes.grid(visible=False)
    figure.colorbar(image, ax=axes, label="fraction of the true class", shrink=0.85)
    return figure


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
