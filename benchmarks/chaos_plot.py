"""The plot of `chaos`."""

from pathlib import Path
from typing import Any

import numpy as np

COLOURS = {"killed": "#c8553d", "stopped": "#e0a458"}


def plot(courses: list[dict[str, Any]], subtitle: str, tick: float, path: Path) -> None:
    """Samples per second over time, with the faults in it; a panel for each course."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.6 * len(courses)), layout="constrained")
    panels = figure.subplots(len(courses), squeeze=False)[:, 0]
    for axes, course in zip(panels, courses, strict=True):
        begins, samples = np.array(course["course"]["samples"]).T
        ends = np.append(begins[1:], course["seconds"])
        at = np.arange(tick / 2, course["seconds"], tick)
        lease = np.clip(np.searchsorted(ends, at), 0, len(ends) - 1)
        axes.plot(at, samples[lease] / (ends - begins)[lease], color="#3d5a80", linewidth=1)
        axes.axhline(course["samples_per_second"][1], color="#98a6b5", linewidth=1, linestyle="--")
        for how, colour in COLOURS.items():
            moments = [moment for moment, what in course["course"]["faults"] if what == how]
            axes.plot(moments, np.zeros(len(moments)), "^", color=colour, label=f"a worker is {how}", clip_on=False)
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylabel("samples/s")
        axes.set_title(
            f"a fault every {course['every']:g} s: {course['kept']:.1%} of the pace is kept", loc="left", fontsize=10
        )
        axes.grid(True, axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("seconds")
    panels[0].legend(loc="lower right", frameon=False, fontsize=9)
    figure.suptitle(subtitle, x=0.01, ha="left", fontsize=11)
    figure.savefig(path, dpi=90)
