"""The journal of a sweep: a file of JSON lines from which a killed sweep goes on."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator

from dist_bp.config import JobConfig
from dist_bp.errors import UserError
from dist_bp.files import read_file
from dist_bp.foreign import RECORD_BYTES, checked, file_name, reason
from dist_bp.messages import did_you_mean, one_line
from dist_bp.options import Whole
from dist_bp.sweep.trial import Over, Trial

SWEEPS = "sweeps"
JOURNAL = "trials.jsonl"


def sweep_folder(config: JobConfig, name: str) -> Path:
    return Path(config.checkpoint.directory).absolute() / SWEEPS / name


@dataclass(frozen=True)
class Opened:
    """The sweep begins, or goes on."""

    config: str
    parent: str


@dataclass(frozen=True)
class Began:
    """A trial is to run, or goes on with other values."""

    trial: Whole
    values: dict[str, Any]
    run_id: Annotated[str, AfterValidator(file_name)]

    def tell(self, trials: dict[int, Trial]) -> None:
        """Raises ValueError for a trial whose turn it is not yet."""
        if self.trial > len(trials):
            raise ValueError(f"trial {self.trial} begins before trial {len(trials)}")
        trials.setdefault(self.trial, Trial(self.trial, self.values, self.run_id)).values = self.values


@dataclass(frozen=True)
class Epoch:
    """A trial has told of an epoch; `value` is the sweep's metric of it."""

    trial: Whole
    epoch: Whole
    score: float
    metrics: dict[str, float]
    seconds: float
    value: float | None = None

    def tell(self, trial: Trial) -> None:
        value = self.score if self.value is None else self.value
        trial.observe(self.epoch, value, self.score, self.metrics, self.seconds)


@dataclass(frozen=True)
class Ended:
    """A trial is over."""

    trial: Whole
    epoch: Whole
    status: Over
    score: float | None
    metrics: dict[str, float]
    seconds: float
    cause: str

    def tell(self, trial: Trial) -> None:
        if self.epoch and self.score is not None:  # else it failed before its first epoch was over
            trial.curve.setdefault(self.epoch, self.score)
        trial.status, trial.score, trial.metrics = self.status, self.score, self.metrics
        trial.seconds, trial.cause = self.seconds, self.cause


EVENTS = {"sweep": Opened, "trial": Began, "epoch": Epoch, "end": Ended}


@dataclass(frozen=True)
class Journal:
    """The folder of one sweep. Each line is one event, durable before the sweep goes on; a torn last line is none."""

    folder: Path

    @property
    def path(self) -> Path:
        return self.folder / JOURNAL

    def open(self, config: str, parent: str) -> None:
        """Begins the journal, or goes on with it: the sweep's configuration and its parent run."""
        self._append("sweep", config=config, parent=parent)

    def began(self, trial: Trial) -> None:
        """The trial is to run, or goes on with other values."""
        self._append("trial", trial=trial.number, values=trial.values, run_id=trial.run_id)

    def epoch(self, trial: Trial, epoch: int) -> None:
        """An epoch that the trial has just told of: not its furthest where it goes on from another's checkpoint."""
        facts = {"score": trial.score, "metrics": trial.metrics, "seconds": trial.seconds}
        self._append("epoch", trial=trial.number, epoch=epoch, value=trial.curve[epoch], **facts)

    def ended(self, trial: Trial) -> None:
        names = ("status", "score", "metrics", "seconds", "cause")
        facts = {name: getattr(trial, name) for name in names}
        self._append("end", trial=trial.number, epoch=trial.epochs, **facts)

    def read(self) -> "Record":
        """Everything up to now. Raises UserError where there is no such sweep."""
        trials: dict[int, Trial] = {}
        config = parent = ""
        for number, event in self._events():
            try:
                match checked(EVENTS[event["event"]], event):
                    case Opened() as opened:
                        config, parent = opened.config, opened.parent
                    case Began() as begun:
                        begun.tell(trials)
                    case Epoch() | Ended() as told:
                        told.tell(trials[told.trial])
            except (LookupError, TypeError, ValueError, ArithmeticError) as error:
                raise UserError(f"{self.path}:{number}: this is no event of a sweep: {one_line(error)}") from error
        if not config:
            raise UserError(f"the sweep in {self.folder} never began: remove the folder, or choose another name")
        return Record(config, parent, [trials[number] for number in sorted(trials)])

    def _events(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each with the number of its line."""
        try:
            text = read_file(self.path, RECORD_BYTES).decode()
        except FileNotFoundError as error:
            raise UserError(f"there is no sweep in {self.folder}{_others(self.folder)}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self.path} cannot be read: {reason(error)}") from error
        for number, line in enumerate(text.split("\n")[:-1], start=1):
            with suppress(ValueError, RecursionError):  # torn by a crash
                yield number, json.loads(line)

    def _append(self, event: str, **facts: Any) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"event": event, **facts}).encode() + b"\n"
        with self.path.open("ab+") as file:
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())


@dataclass(frozen=True)
class Record:
    """What a journal tells: the configuration, the parent run and the trials in order."""

    config: str
    parent: str
    trials: list[Trial]


def _others(folder: Path) -> str:
    known = sorted(path.parent.name for path in folder.parent.glob(f"*/{JOURNAL}"))
    if not known:
        return ": there are none yet"
    return did_you_mean(folder.name, known) or f": there are {', '.join(known[-5:])}"
