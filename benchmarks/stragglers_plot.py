"""The plot of `stragglers`."""

from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.lateness import FRACTION, PATTERNS, SECONDS, WORKERS, Pattern
from benchmarks.stragglers_report import Outcome

LABELS: dict[Pattern, str] = {
    "none": "no straggler",
    "fixed": f"one worker {SECONDS * 1e3:.0f} ms late at {FRACTION:.0%} of its steps",
    "wandering": f"each worker {SECONDS * 1e3:.0f} ms late at {FRACTION / WORKERS:.1%} of its steps",
}
COLOURS: dict[Pattern, str] = {"none": "#b8c4cf", "fixed": "#c8553d", "wandering": "#e0a458"}
WIDTH = 0.27


def plot(outcome: Outcome, subtitle: str, path: Path) -> None:
    """Samples per second of each mode with and without stragglers; whiskers are the range of the rounds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(outcome.modes))
    for number, pattern in enumerate(PATTERNS):
        rates = [outcome.rates(mode, pattern) for mode in outcome.modes]
        middles = [median(values) for values in rates]
        below = [middle - min(values) for middle, values in zip(middles, rates, strict=True)]
        above = [max(values) - middle for middle, values in zip(middles, rates, strict=True)]
        bars = axes.bar(
            places + (number - 1) * WIDTH,
            middles,
            WIDTH,
            yerr=[below, above],
            color=COLOURS[pattern],
            label=LABELS[pattern],
            error_kw={"ecolor": "#333333", "elinewidth": 1, "capsize": 3},
        )
        if pattern != "none":
            kept = [f"{median(outcome.kept(mode, pattern)):.0%}" for mode in outcome.modes]
            for bar, high, text in zip(bars, above, kept, strict=True):
                place = (bar.get_x() + WIDTH / 2, bar.get_height() + high)
                axes.annotate(text, place, (0, 4), textcoords="offset points", ha="center", fontsize=9)
    axes.set_xticks(places, outcome.modes)
    axes.set_ylabel("samples/s")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_title(f"{subtitle}\npercentages: part of the mode's own pace that is kept", loc="left", fontsize=10)
    axes.grid(True, axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(y=0.12)
    figure.legend(loc="outside lower center", ncols=len(PATTERNS), frameon=False)
    figure.savefig(path, dpi=90)
