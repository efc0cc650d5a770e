"""The figures of `scaling`: how fast each cost grows, and the plot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

LARGE = 1_000_000
"""From here on the fixed cost of a step no longer counts."""
COSTS = ("step", "update", "arena")


def linearity(points: Sequence[Any]) -> dict[str, float]:
    """How close to linear the costs are.

    Over the parameters, from a million on: the slope on logarithmic scales, 1 being linear. Over the workers, for the
    largest network: the fraction of the variance that a straight line explains (R^2).
    """
    found: dict[str, float] = {}
    for what in COSTS:
        for workers in sorted({point.workers for point in points}):
            line = [point for point in points if point.workers == workers and point.parameters >= 0.9 * LARGE]
            if len(line) > 1:
                logs = (np.log([getattr(point, name) for point in line]) for name in ("parameters", what))
                slope = np.polyfit(*logs, 1)[0]
                found[f"{what} over parameters, {workers} workers: exponent"] = float(slope)
    largest = max(point.parameters for point in points)
    line = [point for point in points if point.parameters == largest]
    if len(line) > 2:
        for what in COSTS:
            explained = np.corrcoef([(point.workers, getattr(point, what)) for point in line], rowvar=False)[0, 1] ** 2
            found[f"{what} over workers, {largest:,} parameters: R^2"] = float(explained)
    return found


def plot(points: Sequence[Any], path: Path) -> None:
    """Step, update and memory over the parameters, a line for each number of workers."""
    from matplotlib.figure import Figure

    panels = {
        "step, ms": lambda point: 1e3 * point.step,
        "update, ms": lambda point: 1e3 * point.update,
        "shared memory of the node, MiB": lambda point: point.arena / 2**20,
        "private memory of a worker, MiB": lambda point: point.worker / 2**20,
    }
    figure = Figure(figsize=(10, 8), layout="constrained")
    for axes, (title, value) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        for workers in sorted({point.workers for point in points}):
            line = [point for point in points if point.workers == workers]
            label = f"{workers} worker{'s' * (workers > 1)}"
            axes.loglog([point.parameters for point in line], [value(point) for point in line], "o-", label=label)
        axes.set_title(title, loc="left")
        axes.set_xlabel("parameters")
        axes.grid(True, which="major", alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=90)
