"""Runs side by side: their curves as a figure, and a page of its own with everything that differs."""

import io
from collections.abc import Mapping, Sequence
from html import escape

from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from dist_bp.track.figures import logarithmic_if_wide, plain
from dist_bp.track.names import EPOCH, STEP
from dist_bp.track.runs import RunRecord, differing_params, metric_rows

Curve = Sequence[tuple[int, float]]
MAX_PANELS = 6
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1f2937; max-width: 1100px; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin-bottom: 2rem }
th, td { padding: .3rem .9rem; border-bottom: 1px solid #e5e7eb; text-align: right; white-space: nowrap }
th:first-child, td:first-child { text-align: left }
td.best { font-weight: 600 }
.scroll { overflow-x: auto }
svg { width: 100%; height: auto }
"""


def drawn_metrics(runs: Sequence[RunRecord]) -> list[str]:
    """The curves of training and validation that are worth a panel, losses first."""
    names = {name for run in runs for name in run.metrics if name.startswith(EPOCH)}
    first = [name for name in (f"{EPOCH}val_loss", f"{EPOCH}train_loss") if name in names]
    scores = sorted(name for name in names if name.startswith(f"{EPOCH}val_") and name not in first)
    others = sorted(names - {*first, *scores})
    along_steps = sorted({name for run in runs for name in run.metrics if name.startswith(STEP)})
    return [*first, *scores, *others][:MAX_PANELS] or along_steps[:MAX_PANELS]


def curves(runs: Sequence[RunRecord], histories: Mapping[str, Sequence[Curve]]) -> Figure:
    """A panel for each metric with a curve for each run; `histories` has the runs' curves by metric."""
    columns = min(len(histories), 2) or 1
    rows = -(-len(histories) // columns) or 1
    figure = Figure(figsize=(5.5 * columns, 0.8 + 3.0 * rows), dpi=120, layout="constrained")
    colors = colormaps["viridis"].resampled(len(runs)) if len(runs) > 10 else colormaps["tab10"]
    for place, (metric, of_runs) in enumerate(histories.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        for index, curve in enumerate(of_runs):
            steps, values = [step for step, _ in curve], [value for _, value in curve]
            marker = "o" if len(curve) == 1 else None
            axes.plot(steps, values, color=colors(index), linewidth=1.6, marker=marker)
        plain(axes)
        logarithmic_if_wide(axes, [value for curve in of_runs for _, value in curve])
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(title=metric, xlabel="step")
    handles = [Line2D([], [], color=colors(index), label=label(run)) for index, run in enumerate(runs)]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    return figure


def page(runs: Sequence[RunRecord], figure: Figure) -> str:
    """An HTML page that needs no network: metrics, the params that differ, the curves."""
    drawing = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(drawing, format="svg")
    svg = drawing.getvalue()
    names = "".join(f"<th>{escape(label(run))}</th>" for run in runs)
    metrics = _rows({name: [shown(value) for value in row] for name, row in metric_rows(runs).items()})
    params = _rows(
        {name: ["" if value is None else value for value in row] for name, row in differing_params(runs).items()}
    )
    title = f"Comparison of {len(runs)} runs"
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
        f'<div class="scroll"><h2>Metrics</h2><table><tr><th>metric</th>{names}</tr>{metrics}</table>'
        f"<h2>Params that differ</h2><table><tr><th>param</th>{names}</tr>{params}</table></div>"
        f"<h2>Curves</h2>{svg[svg.index('<svg') :]}</body></html>\n"
    )


def label(run: RunRecord) -> str:
    return f"{run.name} ({run.short_id})"


def shown(value: float | None) -> str:
    """A metric's value as people read it."""
    if value is None:
        return ""
    if abs(value) >= 1e3:
        return f"{value:,.0f}"
    return f"{value:.4f}" if abs(value) >= 1e-3 or value == 0 else f"{value:.3g}"


def _rows(rows: Mapping[str, Sequence[str]]) -> str:
    return "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>"
        for name, values in rows.items()
    )
