"""Comparisons as a table, as JSON and as a plot."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.comparison import CHECKED_STEPS, TOLERANCE, Comparison, spread
from benchmarks.machine import in_words
from benchmarks.measures import MEASURES, REFERENCE, Measure

RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parent.parent / "docs"
BOUNDS = ("bound", "gemms")
HEADER = ("work (global batch)", "contender", "samples/s, median (range)", "ratio, median (range)", "goal", "")


def verdict(goal: float, ratios: Sequence[float]) -> str:
    """Whether the median of the ratios reaches the goal, and by how much of it."""
    off = median(ratios) / goal - 1
    return f"{'met' if off >= 0 else 'MISSED'}, {off:+.0%}"


def table(comparisons: Sequence[Comparison]) -> str:
    """The ratio of a row is dist_bp / that row, unless the row says so."""
    rows = [HEADER]
    for comparison in comparisons:
        title = comparison.work.title
        for measure in measured(comparison):
            rows.append((title, *_cells(comparison, measure)))
            title = ""
    return markdown(rows)


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table whose first row is the header, aligned for the terminal."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def into_docs(page: str, module: str, text: str) -> None:
    """Replaces what a page of the manual has of this benchmark, between two comments that name its module."""
    path = DOCS / page
    first, last = (f"<!-- {edge}: python -m benchmarks.{module} -->\n" for edge in ("from", "to"))
    before, _, rest = path.read_text(encoding="utf-8").partition(first)
    _, found, after = rest.partition(last)
    if not found:
        raise ValueError(f"{path} has no place for the tables of benchmarks.{module}")
    path.write_text(f"{before}{first}{text}\n{last}{after}", encoding="utf-8")


def footnotes(comparisons: Sequence[Comparison], machine: dict[str, str]) -> str:
    lines = ["A ratio is that of dist_bp's samples per second to the row's, within each block."]
    for comparison in comparisons:
        same = [m.key for m in measured(comparison) if m.same_algorithm(comparison.work) and m.key != REFERENCE]
        others = [key for key in comparison.differences if key not in same and key != REFERENCE]
        if same and len(comparison.differences) > 1:
            largest = max(comparison.differences[key] for key in same)
            lines.append(
                f"{comparison.work.title}: the losses of the first {CHECKED_STEPS} steps and of the batch after them "
                f"differ by {largest:.1e} at most ({', '.join(same)}; allowed {TOLERANCE:g})."
            )
        for key in others:
            lines.append(
                f"{comparison.work.title}: {key} runs a variant of the algorithm (see README), "
                f"its losses differ by {comparison.differences[key]:.1e}; not checked."
            )
    return "\n".join([*lines, in_words(machine) + "."])


def as_json(comparisons: Sequence[Comparison], machine: dict[str, str], options: dict[str, Any]) -> str:
    works = []
    for comparison in comparisons:
        ratios = {}
        for measure in measured(comparison):
            values = _ratios(comparison, measure)
            goal = measure.goals.get(comparison.work.key)
            if values:
                ratios[f"{measure.over} / {measure.key}"] = {
                    "median": median(values),
                    "lowest": min(values),
                    "highest": max(values),
                    "goal": goal,
                    "met": None if goal is None else median(values) >= goal,
                }
        works.append(comparison.summary() | {"ratios": ratios})
    return json.dumps({"machine": machine, "options": options, "works": works}, indent=1)


def plot(comparisons: Sequence[Comparison], path: Path) -> None:
    """Samples per second of each contender, a panel for each work."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.9 * len(comparisons)), layout="constrained")
    for axes, comparison in zip(figure.subplots(len(comparisons), squeeze=False)[:, 0], comparisons, strict=True):
        rows = list(reversed(measured(comparison)))
        middles = [median(comparison.rates[row.key]) for row in rows]
        below = [middle - min(comparison.rates[row.key]) for row, middle in zip(rows, middles, strict=True)]
        above = [max(comparison.rates[row.key]) - middle for row, middle in zip(rows, middles, strict=True)]
        colours = ["tab:blue" if row.key == REFERENCE else _colour(row) for row in rows]
        axes.barh(_labels(rows), middles, xerr=[below, above], color=colours, capsize=2)
        axes.set_title(comparison.work.title, loc="left")
        axes.set_xlabel("samples per second, median and range of the blocks")
    figure.savefig(path, dpi=90)


def measured(comparison: Comparison) -> list[Measure]:
    return [measure for measure in MEASURES if measure.key in comparison.rates]


def _cells(comparison: Comparison, measure: Measure) -> tuple[str, ...]:
    rates = spread(comparison.rates[measure.key], ",.0f")
    values = _ratios(comparison, measure)
    if not values:
        return measure.title, rates, "", "", ""
    ratio = spread(values, ".2f")
    if measure.over != REFERENCE:
        ratio = f"{measure.over}: {ratio}"
    goal = measure.goals.get(comparison.work.key)
    if goal is None:
        return measure.title, rates, ratio, "", ""
    return measure.title, rates, ratio, f">= {goal:g}", verdict(goal, values)


def _ratios(comparison: Comparison, measure: Measure) -> list[float]:
    if measure.key in (REFERENCE, "alone") or measure.over not in comparison.rates:
        return []
    return comparison.ratios(measure.over, measure.key)


def _colour(measure: Measure) -> str:
    return "tab:grey" if measure.contender in BOUNDS else "tab:orange"


def _labels(measures: Sequence[Measure]) -> list[str]:
    return [f"{measure.title} ({measure.group})" if "same" in measure.title else measure.title for measure in measures]
