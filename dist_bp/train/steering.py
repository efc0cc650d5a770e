"""What may end a run from outside: a signal, or a sweep that gives up a trial."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dist_bp.train.interrupt import Interrupt


class Steering(Protocol):
    """Is asked after each epoch but the last, and may take its time: training waits. `released` tells that the
    processes of its own, if it has any, are free for another run: what is left is to record this one.

    `interrupt` ends the run within an epoch, after a checkpoint.
    """

    interrupt: Interrupt

    def epoch(
        self,
        epoch: int,
        values: dict[str, float],
        kept: dict[str, float],
        seconds: float,
        save: Callable[[], Path],
    ) -> str | None:
        """Says why training should end here, None to go on.

        `values` are those of this epoch by monitor name, `kept` those of the epoch that would be given back if it ended
        here, `seconds` those of training so far; `save()` returns the folder of a durable checkpoint of this epoch.
        What it raises is to be passed on: where processes are lost this is called again, once the epoch has been made
        again.
        """

    def released(self) -> None: ...


class Unsteered:
    """Of a run that only a signal ends before its time."""

    def __init__(self) -> None:
        self.interrupt = Interrupt()

    def epoch(self, *_: object) -> None:
        return None

    def released(self) -> None:
        pass
