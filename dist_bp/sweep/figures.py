"""Figures of a sweep, drawn with Matplotlib's object interface: no window, no global state."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from dist_bp.sweep.trial import Trial
from dist_bp.tuning.spaces.base import Listed, Space
from dist_bp.tuning.spaces.loguniform import LogUniformSpace
from dist_bp.types import Direction

LABEL = 24
BEHIND_TEXT = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0}
BLUE = "#1f5fa8"


def parallel_coordinates(trials: Sequence[Trial], spaces: Mapping[str, Space], metric: str, mode: Direction) -> Figure:
    """A line a trial through an axis for each varied setting and one for the metric, coloured by the metric."""
    figure = Figure(figsize=(2.2 * (len(spaces) + 1) + 1.5, 4.8), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    scored = [trial for trial in trials if trial.score is not None and math.isfinite(trial.score)]
    scores = [trial.score for trial in scored if trial.score is not None]
    columns = [
        _column(axes, place, key, space, [trial.values[key] for trial in scored])
        for place, (key, space) in enumerate(spaces.items())
    ]
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    columns.append(_scaled(scores, low, high))
    _ticks(axes, len(spaces), metric, [(0.0, f"{low:.4g}"), (1.0, f"{high:.4g}")])
    norm, colours = Normalize(low, high), "viridis" if mode == "max" else "viridis_r"
    mappable = ScalarMappable(norm, colours)
    order = np.argsort(scores) if mode == "max" else np.argsort(scores)[::-1]
    for index in order:
        heights = [column[index] for column in columns]
        axes.plot(range(len(columns)), heights, color=mappable.to_rgba(scores[index]), linewidth=1.6, alpha=0.85)
    axes.set(xlim=(-0.1, len(columns) - 0.5), ylim=(-0.12, 1.1))
    axes.set_axis_off()
    figure.colorbar(mappable, ax=axes, label=metric, shrink=0.85)
    return figure


def importances(found: Mapping[str, float]) -> Figure:
    """How much each varied setting tells about the metric; the fractions add up to 1."""
    figure = Figure(figsize=(8.0, 1.2 + 0.45 * len(found)), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    names = sorted(found, key=lambda name: found[name])
    bars = axes.barh([_short(name, 40) for name in names], [found[name] for name in names], color=BLUE)
    axes.bar_label(bars, fmt="%.2f", padding=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set(title="Importance of the parameters", xlabel="fraction", xlim=(0, 1.1 * max([*found.values(), 1e-9])))
    return figure


def _column(axes: Axes, place: int, key: str, space: Space, values: Sequence[Any]) -> list[float]:
    """Draws the axis of a setting; returns the heights of the values on it."""
    if isinstance(space, Listed):
        last = max(len(space.values) - 1, 1)
        _ticks(axes, place, key, [(index / last, _short(value)) for index, value in enumerate(space.values)])
        return [space.values.index(value) / last for value in values]
    logarithmic = isinstance(space, LogUniformSpace)
    low, high = min(values, default=0.0), max(values, default=1.0)
    _ticks(axes, place, key, [(0.0, f"{low:.3g}"), (1.0, f"{high:.3g}")])
    if logarithmic:
        return _scaled([math.log(value) for value in values], math.log(low), math.log(high))
    return _scaled(values, low, high)


def _ticks(axes: Axes, place: int, name: str, ticks: Sequence[tuple[float, str]]) -> None:
    axes.plot([place, place], [0, 1], color="#6b7280", linewidth=1)
    axes.text(place, 1.06, _short(name), ha="center", va="bottom", fontsize=9, fontweight="bold")
    for height, label in ticks:
        axes.text(place + 0.03, height, label, va="center", fontsize=8, color="#374151", zorder=5, bbox=BEHIND_TEXT)


def _scaled(values: Sequence[float], low: float, high: float) -> list[float]:
    return [(value - low) / (high - low) if high > low else 0.5 for value in values]


def _short(value: Any, limit: int = LABEL) -> str:
    """The end of a key is what tells it from others, of other values the beginning."""
    text = str(value)
    if len(text) <= limit:
        return text
    return f"…{text[1 - limit :]}" if "." in text and " " not in text else f"{text[: limit - 1]}…"
