"""What a run has told and recorded, for the tests of whole jobs."""

from typing import Any

import pytest
from mlflow.entities import Run

from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.port import DESCRIPTION
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.observer import Observer
from dist_bp.train.result import Result


class Notes(Observer):
    """Keeps what is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)

    warn = note


class StopAfter(Observer):
    """Asks for an interrupt, as Ctrl-C would, once an epoch is over."""

    def __init__(self, epoch: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self._epoch = epoch
        self._interrupts: list[Interrupt] = []
        enter = Interrupt.__enter__

        def remember(interrupt: Interrupt) -> Interrupt:
            self._interrupts.append(interrupt)
            return enter(interrupt)

        monkeypatch.setattr(Interrupt, "__enter__", remember)

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        if epoch == self._epoch:
            self.stop()

    def stop(self) -> None:
        self._interrupts[-1].requested = "SIGINT"


class Steered:
    """A sweep, to the job of a trial; it hears of epochs, and gives the trial up after one of them."""

    def __init__(self, gives_up: int | None = None) -> None:
        self.interrupt = Interrupt()
        self.epochs: list[int] = []
        self._gives_up = gives_up

    def epoch(self, epoch: int, *_: Any) -> str | None:
        self.epochs.append(epoch)
        return "given up" if epoch == self._gives_up else None

    def released(self) -> None:
        """Another run may have the processes."""


def recorded(run_id: str) -> Run:
    with opened_store("sqlite:///mlflow.db") as client:
        return client.get_run(run_id)


def points(result_or_id: Result | str, name: str) -> list[tuple[int, float]]:
    run_id = result_or_id if isinstance(result_or_id, str) else result_or_id.run_id
    with opened_store("sqlite:///mlflow.db") as client:
        return [(point.step, point.value) for point in client.get_metric_history(run_id, name)]


def page(result: Result) -> str:
    return str(recorded(result.run_id).data.tags[DESCRIPTION])
