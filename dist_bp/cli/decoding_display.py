"""How far the decoding of files is, as a bar on a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TaskProgressColumn, TextColumn

from dist_bp.media.decoding import Progress as Heard


class DecodingBar:
    """A line of its own, which goes once all are decoded."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def __call__(self, done: int, total: int) -> None:
        detail = f"{done:,} of {total:,}"
        if self._task is None:
            self._progress.start()
            self._task = self._progress.add_task("decoding files", total=total, detail=detail, left="")
        self._progress.update(self._task, completed=done, total=total, detail=detail)
        if done == total:
            self._progress.remove_task(self._task)
            self._task = None


def columns(description: str) -> tuple[ProgressColumn, ...]:
    return (
        TextColumn(description),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TextColumn("{task.fields[detail]}"),
        TextColumn("{task.fields[left]}"),
    )


@contextmanager
def watch_decoding(stream: IO[str], others: IO[str] | None = None) -> Iterator[Heard | None]:
    """Who hears of the decoding; None where the stream is no terminal, or `others` that is written to meanwhile is one
    too."""
    console = Console(file=stream)
    if not console.is_interactive or (others is not None and others.isatty()):
        yield None
        return
    # It begins with the first file. Standard output is left alone: it may be a file of predictions.
    progress = Progress(*columns("{task.description}"), console=console, transient=True, redirect_stdout=False)
    try:
        yield DecodingBar(progress)
    finally:
        progress.stop()
