"""What people see of a sweep: a live table on a terminal, lines elsewhere, a closing summary."""

import shlex
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from dist_bp.cli.display import LineObserver, WarningObserver, print_facts, serve_command
from dist_bp.messages import plural
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.result import SweepResult
from dist_bp.sweep.study import Watcher
from dist_bp.sweep.table import shown
from dist_bp.sweep.trial import Status, Trial, ranked
from dist_bp.train.observer import Observer
from dist_bp.typed import program

LOG_WIDTH = 140
SHOWN = 20
"""Trials in a table on the terminal."""
VALUE_WIDTH = 10
"""Of a setting's column, where there is room for no more."""


@contextmanager
def watch_sweep(job: SweepJob, total: int, quiet: bool, stream: IO[str]) -> Iterator[tuple[Watcher, Observer]]:
    """What shows the trials, and what hears notes: a live table on a terminal, a line a trial elsewhere."""
    console = Console(file=stream)
    if quiet:
        yield lambda trials: None, WarningObserver(console)
    elif not console.is_terminal:
        yield Lines(console, job.metric, total), LineObserver(console)
    else:
        board = Board(job, total)
        with Live(get_renderable=board.render, console=console, transient=True, refresh_per_second=4):
            yield board.show, BoardObserver(console, board)


class BoardObserver(LineObserver):
    """Notes above the board, and on it what the sweep is doing."""

    def __init__(self, console: Console, board: "Board") -> None:
        super().__init__(console)
        self._board = board

    def phase(self, what: str) -> None:
        self._board.phase = what


class Lines:
    """Prints a line for each trial that has begun, paused or ended."""

    def __init__(self, console: Console, metric: str, total: int) -> None:
        self._console = console
        self._metric = metric
        self._total = total
        self._seen: dict[int, Status] = {}

    def __call__(self, trials: Sequence[Trial]) -> None:
        for trial in trials:
            before, self._seen[trial.number] = self._seen.get(trial.number), trial.status
            if before != trial.status != "waiting" and (before or not trial.over):
                self._console.print(self._line(trial), markup=False, highlight=False, soft_wrap=True)

    def _line(self, trial: Trial) -> str:
        if trial.cause:
            return f"trial {trial.number} of {self._total} failed: {trial.cause}"
        score = f", {self._metric} {shown(trial.score)} after epoch {trial.epochs}" if trial.epochs else ""
        values = ", ".join(f"{key}={shown(value)}" for key, value in trial.values.items())
        return f"trial {trial.number} of {self._total} {trial.status}{score} ({values})"


class Board:
    """What a terminal shows while a sweep runs: how far it is, what goes on, and the trials."""

    def __init__(self, job: SweepJob, total: int) -> None:
        self.phase = "starting"
        self._job = job
        self._total = total
        self._trials: Sequence[Trial] = ()
        self._started = time.monotonic()

    def show(self, trials: Sequence[Trial]) -> None:
        self._trials = list(trials)

    def render(self) -> Group:
        counts = Counter(trial.status for trial in self._trials)
        states = ", ".join(f"{count} {status}" for status, count in counts.items())
        if not counts["running"]:
            states = f"{states}; {self.phase}" if states else self.phase
        seconds = time.monotonic() - self._started
        title = Text(f"{len(self._trials)} of {plural(self._total, 'trial')}: {states}; {seconds:.0f} s", style="bold")
        if not self._trials:
            return Group(title)
        busy = [
            f"trial {trial.number}: {trial.doing}"
            for trial in self._trials
            if trial.status == "running" and trial.doing
        ]
        now = [Text(", ".join(busy))] if busy else []
        return Group(title, *now, trial_table(ranked(self._trials, self._job.mode), self._job))


def trial_table(order: Sequence[Trial], job: SweepJob) -> Table:
    """The ranked trials, a line each."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("trial", "status", "epochs", job.metric):
        table.add_column(name, justify="right" if name != "status" else "left", no_wrap=True)
    for key in job.keys:
        values = [shown(trial.values[key]) for trial in order[:SHOWN]]
        table.add_column(_short(key), overflow="fold", min_width=min(max(map(len, values), default=0), VALUE_WIDTH))
    for trial in order[:SHOWN]:
        cells = [str(trial.number), trial.status, str(trial.epochs), shown(trial.score)]
        cells += [shown(trial.values[key]) for key in job.keys]
        table.add_row(*(escape(cell) for cell in cells))
    if len(order) > SHOWN:
        table.caption = f"and {len(order) - SHOWN} more"
    return table


def _short(key: str) -> str:
    """The end of a key that tells what it is: layers.0.units, optimizer.learning_rate."""
    parts = key.split(".")
    return ".".join(parts[-3:] if len(parts) > 2 and parts[-2].isdecimal() else parts[-2:])


def print_sweep(result: SweepResult, job: SweepJob, stream: IO[str], typed: Sequence[str]) -> None:
    """The closing summary: the ranking, failures with their causes, the best, and the next useful commands.

    `typed` is the job as given on the command line.
    """
    console = Console(file=stream, soft_wrap=True, highlight=False)
    if not console.is_terminal:
        console.width = LOG_WIDTH
    console.print(trial_table(result.trials, job))
    for trial in result.trials:
        if trial.cause:
            console.print(f"trial {trial.number} failed: {escape(trial.cause)}")
    took = "no trial was left to run"
    if ran := result.ran:
        each, training = result.seconds / ran, result.training_seconds / ran
        took = f"{plural(ran, 'trial')} took {result.seconds:.1f} s ({each:.1f} s each, {training:.1f} s training)"
    rows = {
        "sweep": f"{result.name}: {plural(len(result.trials), 'trial')}, {plural(result.epochs, 'epoch')}; {took}",
        "best": f"trial {result.best.number}, {result.metric} {shown(result.best.score)}",
        "configuration": result.best_config,
        "model": result.model_uri or result.best_model,
    }
    if result.run_url:
        rows["run"] = result.run_url
    print_facts(console, {name: escape(value) for name, value in rows.items()})
    console.print("[bold]next[/bold]")
    dist_bp = program()
    for command in (*serve_command(result.tracking_uri, typed), f"{dist_bp} train {shlex.quote(result.best_config)}"):
        console.print(f"  {escape(command)}")
