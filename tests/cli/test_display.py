"""What people see: nothing cut, nothing that touches, and always what goes on."""

import sys
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from rich.progress import Progress as RichProgress

from dist_bp.cli import display
from dist_bp.cli.decoding_display import watch_decoding
from dist_bp.cli.display import LineObserver, TerminalObserver, described_classes, print_facts
from dist_bp.cli.main import COMMANDS, GROUPS
from dist_bp.cli.sweep_display import Board, BoardObserver
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.trial import Trial
from dist_bp.train.job import run_job
from dist_bp.train.observer import Observer, Progress
from tests.commands import run_here
from tests.conftest import JobMaker
from tests.serve.samples import configuration

ALONE = {"num_workers": 0}


@pytest.mark.parametrize(
    ("arguments", "commands"), [((), COMMANDS), *(((group,), commands) for group, (_, commands) in GROUPS.items())]
)
def test_the_list_of_commands_says_whole_sentences(arguments: tuple[str, ...], commands: dict[str, object]) -> None:
    printed = " ".join(run_here(*arguments, "--help").stdout.split())
    for name, command in commands.items():
        assert f"{name} {' '.join((command.__doc__ or '').splitlines()[0].split())}" in printed


def test_a_long_name_stands_apart_from_its_value() -> None:
    out = StringIO()
    print_facts(Console(file=out, width=40), {"test_balanced_accuracy": "0.9", "run": "a" * 60})
    assert out.getvalue().splitlines() == ["test_balanced_accuracy  0.9", f"run{' ' * 21}{'a' * 60}"]


def test_a_sweep_says_what_goes_on_before_there_is_a_score(make_job: JobMaker) -> None:
    spaces = {"seed": {"type": "choice", "values": [1, 2]}}
    board = Board(SweepJob.of(make_job(sweep={"metric": "val_loss", "parameters": spaces})), 4)
    out = Console(file=StringIO(), width=120)

    def shown() -> str:
        out.file = StringIO()
        out.print(board.render())
        return " ".join(out.file.getvalue().split())

    observer = BoardObserver(out, board)
    assert "0 of 4 trials: starting;" in shown()
    observer.phase("starting Ray")
    assert "0 of 4 trials: starting Ray;" in shown()
    board.show([Trial(0, {"seed": 1}, "run", "running", doing="starting the processes")])
    assert "1 of 4 trials: 1 running;" in shown()
    assert "trial 0: starting the processes trial status" in shown()
    assert "0 running 0 - 1" in shown()
    observer.phase("publishing")
    board.show([Trial(0, {"seed": 1}, "run", "finished")])
    assert "1 of 4 trials: 1 finished; publishing;" in shown()


def test_decoding_of_images_is_told_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "LINE_SECONDS", 0.0)
    out = StringIO()
    LineObserver(Console(file=out)).decoded(1200, 5000)
    assert out.getvalue() == "decoding files: 1,200 of 5,000\n"
    with RichProgress(disable=True) as progress:
        observer = TerminalObserver(Console(file=out), progress)
        observer.decoded(1200, 5000)
        (_, images) = progress.tasks
        assert (images.description, images.completed, images.total) == ("decoding files", 1200, 5000)
        observer.decoded(5000, 5000)
        assert [task.description for task in progress.tasks] == ["starting"]


def test_decoding_of_new_images_is_shown_on_a_terminal_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    for stream, others in ((StringIO(), None), (Terminal(), Terminal())):
        with watch_decoding(stream, others) as hears:
            assert hears is None
    terminal, printed = Terminal(), StringIO()
    monkeypatch.setattr(sys, "stdout", printed)
    with watch_decoding(terminal, printed) as hears:
        assert hears
        assert terminal.getvalue() == ""
        hears(1200, 5000)
        print("a prediction")
        hears(5000, 5000)
    assert "decoding files" in terminal.getvalue()
    assert "1,200 of 5,000" in terminal.getvalue()
    assert printed.getvalue() == "a prediction\n"


def test_a_dry_run_counts_the_classes_of_each_split(workplace: Path) -> None:
    for split, kinds in {"train": {"cat": 10, "[dog]": 5}, "val": {"cat": 2}, "test": {"cat": 3, "[dog]": 4}}.items():
        for kind, number in kinds.items():
            for index in range(number):
                Path("pets", split, kind).mkdir(parents=True, exist_ok=True)
                Image.fromarray(np.full((4, 4), index, np.uint8)).save(f"pets/{split}/{kind}/{index}.png")
    layers = [{"type": "flatten"}, {"type": "dense", "units": 2}]
    source = {"type": "image_folder", "path": "pets"}
    path = configuration(workplace, source, 2, data={"source": source}, model={"layers": layers}, scaling=ALONE)
    done = run_here("train", str(path), "--dry-run", "train.batch_size=4")
    assert "\nclasses  2 (train/validation/test): [dog] 5/0/4, cat 10/2/3\n" in done.stdout


def test_of_many_classes_the_first_are_counted() -> None:
    counts = {f"c{index}": {"train": 1000 + index} for index in range(22)}
    told = described_classes(counts)
    assert told.startswith("22 (train): c0 1,000, c1 1,001, ")
    assert told.endswith("c19 1,019, and 2 more")
    assert described_classes({"a\nb": {"train": 3, "test": 1}}) == "1 (train/test): 'a\\nb' 3/1"
    assert described_classes({}) == ""


@pytest.mark.parametrize("width", [80, 60])
def test_a_narrow_terminal_shows_the_settings_of_trials_that_are_busy(make_job: JobMaker, width: int) -> None:
    keys = ("train.optimizer.learning_rate", "model.layers.0.units", "seed")
    spaces = {key: {"type": "choice", "values": [1, 2]} for key in keys}
    board = Board(SweepJob.of(make_job(sweep={"metric": "val_accuracy", "parameters": spaces})), 4)
    board.show([Trial(10, dict(zip(keys, (0.0001234, 16, 2), strict=True)), "run", "running", doing="evaluating " * 9)])
    out = Console(file=StringIO(), width=width)
    out.print(board.render())
    assert out.file.getvalue().splitlines()[-1].split() == ["10", "running", "0", "-", "0.0001234", "16", "2"]


def test_the_time_left_is_told_from_the_second_lease_on(make_job: JobMaker, database: object) -> None:
    """The first lease is one step, with all that happens but once."""

    class Listener(Observer):
        told: list[float | None] = []  # noqa: RUF012

        def progress(self, progress: Progress) -> None:
            self.told.append(progress.seconds_left)

    run_job(make_job(train={"epochs": 3}), observer=Listener())
    first, *others = Listener.told
    assert first is None
    assert others
    assert all(seconds is not None for seconds in others)
    assert others[-1] == 0
