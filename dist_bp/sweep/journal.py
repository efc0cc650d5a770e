"""The journal of a sweep: a file of JSON lines from which a killed sweep goes on."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dist_bp.config import JobConfig
from dist_bp.errors import UserError
from dist_bp.messages import did_you_mean
from dist_bp.sweep.trial import Trial

SWEEPS = "sweeps"
JOURNAL = "trials.jsonl"


def sweep_folder(config: JobConfig, name: str) -> Path:
    return Path(config.checkpoint.directory).absolute() / SWEEPS / name


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

    def epoch(self, trial: Trial) -> None:
        """The newest epoch of the trial."""
        facts = {"score": trial.score, "metrics": trial.metrics, "seconds": trial.seconds}
        self._append("epoch", trial=trial.number, epoch=trial.epochs, value=trial.curve[trial.epochs], **facts)

    def ended(self, trial: Trial) -> None:
        names = ("status", "score", "metrics", "seconds", "cause")
        facts = {name: getattr(trial, name) for name in names}
        self._append("end", trial=trial.number, epoch=trial.epochs, **facts)

    def read(self) -> "Record":
        """Everything up to now. Raises UserError where there is no such sweep."""
        trials: dict[int, Trial] = {}
        config = parent = ""
        for event in self._events():
            match event.pop("event"):
                case "sweep":
                    config, parent = event["config"], event["parent"]
                case "trial":
                    new = Trial(event["trial"], event["values"], event["run_id"])
                    trials.setdefault(new.number, new).values = new.values
                case "epoch":
                    trial = trials[event["trial"]]
                    score = event["score"]
                    value = event.get("value", score)
                    trial.observe(event["epoch"], value, score, event["metrics"], event["seconds"])
                case "end":
                    trial = trials[event.pop("trial")]
                    epoch, score = event.pop("epoch"), event["score"]
                    if epoch and score is not None:  # else it failed before its first epoch was over
                        trial.curve.setdefault(epoch, score)
                    for name, value in event.items():
                        setattr(trial, name, value)
        if not config:
            raise UserError(f"the sweep in {self.folder} never began: remove the folder, or choose another name")
        return Record(config, parent, [trials[number] for number in sorted(trials)])

    def _events(self) -> Iterator[dict[str, Any]]:
        try:
            text = self.path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise UserError(f"there is no sweep in {self.folder}{_others(self.folder)}") from error
        for line in text.split("\n")[:-1]:
            with suppress(json.JSONDecodeError):  # torn by a crash
                yield json.loads(line)

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
