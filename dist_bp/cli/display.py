"""What people see of a training job: a live display on a terminal, a closing table, the plan of a dry run."""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import IO

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from dist_bp import build
from dist_bp.cli.decoding_display import DecodingBar, columns
from dist_bp.config import JobConfig
from dist_bp.config.trust import code_of_data, code_of_model
from dist_bp.messages import plural
from dist_bp.signals import Field, Spec
from dist_bp.track.store import is_server
from dist_bp.train.observer import Observer
from dist_bp.train.observer import Progress as Standing
from dist_bp.train.recoveries import history
from dist_bp.train.result import Result
from dist_bp.train.setup import PreparedJob
from dist_bp.typed import program

LINE_SECONDS = 5.0
TRUST = " --trust-code"
FACTS_WIDTH = 16
CLASSES_SHOWN = 20


class WarningObserver(Observer):
    """Only what was lost or did not work."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def warn(self, text: str) -> None:
        self._line(f"warning: {text}")

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class NoteObserver(WarningObserver):
    """What is worth a line."""

    def note(self, text: str) -> None:
        self._line(f"note: {text}")


class LineObserver(NoteObserver):
    """For logs and pipes: where the run is to be found, and a line of progress every few seconds."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._validation = ""
        self._next = time.monotonic() + LINE_SECONDS

    def decoded(self, done: int, total: int) -> None:
        self._sometimes(f"decoding files: {done:,} of {total:,}")

    def run(self, run_id: str, url: str | None) -> None:
        self._line(f"run {url or run_id}")

    def progress(self, progress: Standing) -> None:
        self._sometimes("  ".join(filter(None, (where(progress), speed(progress, self._validation), left(progress)))))

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        self._validation = validation(values)

    def _sometimes(self, text: str) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            self._line(text)


class TerminalObserver(NoteObserver):
    """One updating line: epoch, step, loss, samples/s, time left."""

    def __init__(self, console: Console, progress: Progress) -> None:
        super().__init__(console)
        self._progress = progress
        self._task = progress.add_task("starting", total=None, detail="", left="")
        self._decoding = DecodingBar(progress)
        self._validation = ""

    def phase(self, what: str) -> None:
        self._progress.update(self._task, description=what)

    def decoded(self, done: int, total: int) -> None:
        self._decoding(done, total)

    def progress(self, progress: Standing) -> None:
        self._progress.update(
            self._task,
            description=where(progress),
            completed=progress.step,
            total=progress.total_steps,
            detail=speed(progress, self._validation),
            left=left(progress),
        )

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        self._validation = validation(values)


def where(progress: Standing) -> str:
    return f"epoch {progress.epoch}/{progress.epochs}  step {progress.step}/{progress.total_steps}"


def speed(progress: Standing, validation: str) -> str:
    return f"loss {progress.loss:.4f}{validation}  {progress.samples_per_second:,.0f} samples/s"


def left(progress: Standing) -> str:
    return "" if progress.seconds_left is None else f"{timedelta(seconds=round(progress.seconds_left))} left"


def validation(values: dict[str, float]) -> str:
    return f"  val_loss {values['val_loss']:.4f}" if "val_loss" in values else ""


@contextmanager
def watch(name: str, quiet: bool, stream: IO[str]) -> Iterator[Observer]:
    """The observer that suits the stream: a live display on a terminal, where `name` is what is trained, notes
    elsewhere, warnings alone when quiet."""
    console = Console(file=stream)
    if quiet:
        yield WarningObserver(console)
    elif not console.is_terminal:
        yield LineObserver(console)
    else:
        described = columns(f"[bold]{escape(name)}[/bold]  {{task.description}}")
        with Progress(*described, console=console, transient=True) as progress:
            yield TerminalObserver(console, progress)


def print_result(result: Result, stream: IO[str], job: Sequence[str], config: JobConfig) -> None:
    """The closing table: metrics, what was kept and where, and the next useful commands; `job` is how it was named."""
    console = Console(file=stream, soft_wrap=True, highlight=False)
    print_facts(console, {name: escape(value) for name, value in rows(result)})
    console.print("[bold]next[/bold]")
    for command in next_commands(result, job, config):
        console.print(f"  {escape(command)}")


def print_facts(console: Console, facts: Mapping[str, str]) -> None:
    """A line for each, its name in bold; the values, in markup, stand below each other, apart from the longest name."""
    width = max([FACTS_WIDTH, *(len(name) + 2 for name in facts)])
    for name, value in facts.items():
        console.print(f"[bold]{name:{width}}[/bold]{value}", soft_wrap=True)


def rows(result: Result) -> Iterator[tuple[str, str]]:
    kept = f", step {result.best_step} kept as the best" if result.best_step not in (None, result.steps) else ""
    yield "result", f"{result.reason}: {plural(result.epochs, 'epoch')}, {plural(result.steps, 'step')}{kept}"
    for name, value in result.metrics.items():
        yield name, f"{value:.4f}"
    if result.recoveries:
        yield "recovered", history(result.recoveries)
    if result.remark:
        yield "remark", result.remark
    processes = plural(result.num_workers, "worker") if result.num_workers else "in process"
    yield "speed", f"{result.samples_per_second:,.0f} samples/s, {result.seconds:.1f} s of training, {processes}"
    yield "checkpoint", result.checkpoint
    yield "model", result.model_uri or result.model
    if result.run_url:
        yield "run", result.run_url


def next_commands(result: Result, job: Sequence[str], config: JobConfig) -> list[str]:
    dist_bp, model, data = program(), code_of_model(config), code_of_data(config)
    use, rest = "predict", "--input FILE --output predictions.csv"
    if config.data.source.type == "text":
        use, rest = "generate", "--prompt TEXT"
    return [
        *serve_command(result.tracking_uri, job),
        f"{dist_bp} evaluate {shlex.quote(result.model)}{TRUST * bool(model or data)}",
        f"{dist_bp} {use} {shlex.quote(result.model)}{TRUST * bool(model)} {rest}",
    ]


def serve_command(tracking_uri: str, job: Sequence[str]) -> list[str]:
    """What shows the runs of a command line's job in a browser; empty where a server already does."""
    if is_server(tracking_uri):
        return []
    store = [part for part in job if "=" not in part or part.startswith("tracking.")]
    return [f"{program()} ui {shlex.join(store)}   # then open the run's link"]


def print_plan(job: PreparedJob, stream: IO[str]) -> None:
    """What `train --dry-run` found: the data, the layers, the memory."""
    console = Console(file=stream)
    prepared = job.prepared
    sizes = ", ".join(f"{size:,} {name}" for name, size in job.splits.items())
    console.print(
        f"[bold]data[/bold]  {sizes}; input {_described(prepared.schema.inputs)}; digest {prepared.digest[:12]}"
    )
    if classes := described_classes(build.classes_of_splits(prepared)):
        console.print(f"[bold]classes[/bold]  {escape(classes)}", highlight=False, soft_wrap=True)
    for line in job.notes:
        console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
    table = Table("layer", "type", "output", "parameters", box=None, padding=(0, 2, 0, 0))
    for column in table.columns[2:]:
        column.justify = "right"
    for layer in job.model.summary():
        table.add_row(layer.name, layer.kind, str(layer.output), f"{layer.parameters:,}")
    table.add_row("total", "", "", f"{job.model.layout.size:,}")
    console.print(table)
    scaling = job.config.scaling
    servers = f" and {plural(job.layout.servers, 'server')}" if job.layout.servers else ", which are servers, too"
    console.print(
        f"[bold]memory[/bold]  {job.layout.nbytes / 2**20:.1f} MiB shared by "
        f"{plural(max(scaling.num_workers, 1), 'worker')}{servers}; "
        f"a checkpoint takes {job.checkpoint(job.initial).nbytes / 2**20:.1f} MiB"
    )
    console.print(f"[bold]steps[/bold]  {job.total_steps:,}, {job.steps_per_epoch:,} an epoch")
    console.print("ok: ready to train")


def described_classes(counts: Mapping[str, Mapping[str, int]]) -> str:
    """The classes, each with how often it occurs in each split: 2 (train/test): cat 8/3, dog 6/2."""
    shown = [
        f"{name if name.isprintable() else repr(name)} {'/'.join(f'{count:,}' for count in of.values())}"
        for name, of in counts.items()
    ]
    if not shown:
        return ""
    more = f", and {len(shown) - CLASSES_SHOWN:,} more" if len(shown) > CLASSES_SHOWN else ""
    splits = "/".join(next(iter(counts.values())))
    return f"{len(shown):,} ({splits}): {', '.join(shown[:CLASSES_SHOWN])}{more}"


def _described(spec: Spec) -> str:
    if isinstance(spec, Field):
        return str(spec)
    return "; ".join(f"{name} {field}" for name, field in spec.items())
