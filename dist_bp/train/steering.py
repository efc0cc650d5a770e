"""What may end a run from outside, such as a sweep that gives up a trial."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dist_bp.train.interrupt import Interrupt


class Steering(Protocol):
    """Is asked after each epoch but the last, and may take its time: training waits.

    `interrupt` ends the run within an epoch, after a checkpoint.
    """

    interrupt: Interrupt

    def epoch(self, epoch: int, values: dict[str, float], seconds: float, save: Callable[[], Path]) -> str | None:
        """Says why training should end here, None to go on.

        `values` are by monitor name, `seconds` those of training so far; `save()` returns the folder of a durable
        checkpoint of this epoch.
        """
