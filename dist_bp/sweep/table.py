"""The ranked table of a sweep: rows for people, CSV and HTML for the parent run."""

import csv
import html
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dist_bp.sweep.trial import Trial

HEAD = ("rank", "trial", "status")
TAIL = ("epochs", "seconds", "run_id", "cause")
STYLE = (
    "body{font-family:system-ui,sans-serif;margin:2em}table{border-collapse:collapse}"
    "th,td{padding:.3em .8em;border-bottom:1px solid #e5e7eb;text-align:left;font-variant-numeric:tabular-nums}"
)


def columns(metric: str, keys: Iterable[str]) -> list[str]:
    return [*HEAD, metric, *keys, *TAIL]


def rows(trials: Sequence[Trial], metric: str, keys: Sequence[str]) -> list[dict[str, Any]]:
    """A row for each of the ranked trials, by `columns`."""
    return [
        {
            "rank": rank,
            "trial": trial.number,
            "status": trial.status,
            metric: shown(trial.score),
            **{key: shown(trial.values[key]) for key in keys},
            "epochs": trial.epochs,
            "seconds": f"{trial.seconds:.2f}",
            "run_id": trial.run_id,
            "cause": trial.cause,
        }
        for rank, trial in enumerate(trials, start=1)
    ]


def as_csv(table: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return text.getvalue()


def as_html(table: Sequence[Mapping[str, Any]], names: Sequence[str], title: str) -> str:
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    lines = ["<tr>" + "".join(f"<td>{html.escape(str(row[name]))}</td>" for name in names) + "</tr>\n" for row in table]
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{html.escape(title)}</h1>\n"
        f"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{''.join(lines)}</tbody></table></body></html>\n"
    )


def as_markdown(table: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    def line(cells: Iterable[Any]) -> str:
        return f"| {' | '.join(str(cell).replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(names), line("---" for _ in names), *(line(row[name] for name in names) for row in table)])


def shown(value: Any) -> str:
    """A value in a cell: numbers to four digits."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
