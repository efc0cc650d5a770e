"""What `runs` prints: tables for people."""

import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Literal

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dist_bp.cli.display import TRUST, print_facts
from dist_bp.config.trust import params_name_code
from dist_bp.track.comparison import label, shown
from dist_bp.track.runs import ModelRecord, RunRecord, key_metrics, metric_rows, nested
from dist_bp.typed import program

PIPE_WIDTH = 240
GROUP = re.compile(r"^([^/]*/|train_|val_|test_)")
COLORS = {"FINISHED": "green", "FAILED": "red", "KILLED": "yellow", "RUNNING": "cyan"}


def print_runs(runs: Sequence[RunRecord], first_metric: str | None, stream: IO[str]) -> None:
    """A line a run, nested ones below theirs."""
    console = _console(stream)
    if not runs:
        console.print("no runs")
        return
    metrics = key_metrics(runs, first_metric)
    table = _table("run", "name", "status", "age", "took", *metrics, right=("age", "took", *metrics), folded=("name",))
    for depth, run in nested(runs):
        values = [shown(run.metrics.get(metric)) for metric in metrics]
        branch = "└ " if console.encoding.startswith("utf") else "` "
        marker = f"{'  ' * (depth - 1)}{branch}" if depth else branch if run.parent_id else ""
        table.add_row(marker + run.short_id, escape(run.name), _status(run), _age(run), _took(run), *values)
    console.print(table)


def print_run(run: RunRecord, models: Sequence[ModelRecord], artifacts: Sequence[str], stream: IO[str]) -> None:
    """Everything about one run."""
    console = _console(stream)
    facts = {"run": run.run_id, "name": escape(run.name), "status": _status(run)}
    facts |= {"started": f"{_time(run.started)}, {_age(run)} ago", "took": _took(run), "link": run.url}
    print_facts(console, facts)
    _section(console, "metrics", {name: shown(*values) for name, values in metric_rows([run]).items()})
    if models:
        console.print("\n[bold]models[/bold]")
        table = _table("name", "step", "uri", *(names := key_metrics([run])), right=("step", *names))
        for model in models:
            step = "" if model.step is None else f"{model.step:,}"
            table.add_row(model.name, step, model.uri, *(shown(model.metric(name)) for name in names))
        console.print(table)
    _section(console, "artifacts", dict.fromkeys(artifacts, ""))
    _section(console, "params", dict(sorted(run.params.items())))


def print_comparison(
    runs: Sequence[RunRecord],
    metrics: Mapping[str, Sequence[float | None]],
    params: Mapping[str, Sequence[str | None]],
    files: Sequence[Path],
    stream: IO[str],
) -> None:
    """Metrics side by side, params that differ, and the files that were drawn."""
    console = _console(stream)
    names = [label(run) for run in runs]
    table = _table("metric", *names, right=names, folded=names)
    for name, values in metrics.items():
        table.add_row(name, *map(shown, values))
    console.print(table)
    console.print()
    if params:
        table = _table("param", *names, right=names, folded=names)
        for name, texts in params.items():
            table.add_row(escape(name), *(escape(text or "") for text in texts))
        console.print(table)
    else:
        console.print("the params are all the same")
    console.print(f"\ndrawn to {' and '.join(map(str, files))}", soft_wrap=True)


def print_best(
    run: RunRecord,
    metric: str,
    value: float,
    model: ModelRecord | None,
    options: Sequence[str],
    stream: IO[str],
) -> None:
    """The best run, and the commands that use its model."""
    console = _console(stream)
    facts = {"run": f"{run.run_id}, {escape(run.name)}", metric: shown(value), "status": _status(run), "link": run.url}
    folder = Path(run.params.get("checkpoint.directory", "runs")) / run.run_id / "model"
    if model:
        facts["model"] = f"{model.uri}, {model.name} of step {model.step:,}"
    print_facts(console, facts)
    if model or folder.is_dir():
        words = [model.uri, *options] if model else [str(folder)]
        trust = TRUST * params_name_code(run.params)
        console.print("[bold]next[/bold]")
        for command, more in (("evaluate", ""), ("predict", " --input FILE --output predictions.csv")):
            line = f"{program()} {shlex.join([command, *words])}{trust}{more}"
            console.print(f"  {escape(line)}", soft_wrap=True)
    if model:
        console.print(f'  python: mlflow.pyfunc.load_model("{model.uri}").predict(rows)', soft_wrap=True)
    else:
        console.print(f"it has no model in MLflow; {folder} is where it left its own", soft_wrap=True)


def _console(stream: IO[str]) -> Console:
    """As wide as the terminal; in files and pipes a run stays on its line."""
    return Console(file=stream, highlight=False, width=None if stream.isatty() else PIPE_WIDTH)


def _table(*columns: str, right: Sequence[str] = (), folded: Sequence[str] = ()) -> Table:
    """A metric's group stands above its name."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        header = Text(GROUP.sub(r"\1\n", column), justify="right" if column in right else "left")
        justify: Literal["left", "right"] = "right" if column in right else "left"
        table.add_column(header, justify=justify, vertical="top", overflow="fold", no_wrap=column not in folded)
    return table


def _section(console: Console, title: str, rows: Mapping[str, str]) -> None:
    if rows:
        console.print(f"\n[bold]{title}[/bold]")
    width = max(map(len, rows), default=0)
    for name, value in rows.items():
        console.print(f"  {escape(f'{name:{width}}  {value}'.rstrip())}", soft_wrap=True)


def _status(run: RunRecord) -> str:
    return f"[{COLORS.get(run.status, 'white')}]{run.status}[/]"


def _took(run: RunRecord) -> str:
    seconds = run.seconds()
    return f"{seconds:.0f} s" if seconds < 120 else str(timedelta(seconds=round(seconds)))


def _age(run: RunRecord) -> str:
    seconds = datetime.now(UTC).timestamp() - run.started
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(seconds, 0):.0f} s"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
