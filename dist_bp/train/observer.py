"""What a training job tells whoever watches it, such as the terminal; an observer never steers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run stands. `seconds_left` is None before it can be told."""

    epoch: int
    epochs: int
    step: int
    total_steps: int
    loss: float
    samples_per_second: float
    seconds_left: float | None


class Observer:
    """Hears nothing said; override what matters."""

    def phase(self, what: str) -> None:
        """The job has begun something that takes a while."""

    def decoded(self, done: int, total: int) -> None:
        """So many of the data's files of images or sounds are decoded."""

    def run(self, run_id: str, url: str | None) -> None:
        """The MLflow run is open; `url` is its page, None where it has none."""

    def progress(self, progress: Progress) -> None:
        """Some more steps are done, about once a second."""

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        """An epoch is over; `values` by monitor name (train_loss, val_loss, ...)."""

    def note(self, text: str) -> None:
        """Something worth a line."""

    def warn(self, text: str) -> None:
        """Something that was lost or did not work, though the run goes on."""
