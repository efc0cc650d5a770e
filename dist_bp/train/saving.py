"""Checkpoints written beside the training: one at a time, each in full before the next begins."""

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Self

from dist_bp.checkpoint import Checkpoint, CheckpointStore, load
from dist_bp.errors import CheckpointError, TrainingFailed
from dist_bp.track.port import Checkpoints, Tracker


class Saver:
    """Hands checkpoints to a store in a thread; use it as a context manager, which ends when the last is written.

    The tracker is told of each as a model, where `models` says how. `remedy` is how to go on where one could not be
    written, if there is a way, and `newest` the checkpoint that the run goes on from.
    """

    def __init__(
        self,
        store: CheckpointStore,
        tracker: Tracker,
        models: Checkpoints | None,
        remedy: str = "",
        newest: Path | None = None,
    ) -> None:
        self.newest = newest or store.directory
        """The checkpoint that was completed last."""
        self.remedy = remedy
        self._store = store
        self._tracker = tracker
        self._models = models
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[Path] | None = None

    def save(self, checkpoint: Checkpoint, monitored: float | None) -> None:
        """Begins to write a checkpoint, which must not change any more, once the one before is complete.

        Raises TrainingFailed where that one could not be written.
        """
        self.finish()
        self._writing = self._thread.submit(self._write, checkpoint, monitored)

    def check(self) -> None:
        """Raises TrainingFailed where the last checkpoint turned out not to be writable."""
        if self._writing and self._writing.done():
            self.finish()

    def finish(self) -> None:
        """Waits until everything is written; raises TrainingFailed where that failed."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        try:
            self.newest = writing.result()
        except CheckpointError as error:
            then = f"; then {self.remedy}" if self.remedy else ""
            raise TrainingFailed(f"{error}{then}") from error

    def last(self) -> Checkpoint:
        """The newest one, once it is durable. Raises TrainingFailed where it cannot be read."""
        self.finish()
        try:
            return load(self.newest)
        except CheckpointError as error:
            raise TrainingFailed(f"there is no way back: {error}") from error

    def _write(self, checkpoint: Checkpoint, monitored: float | None) -> Path:
        self._tracker.keep()  # first: a run that goes on from this checkpoint will not tell it again
        path = self._store.save(checkpoint, monitored)
        if self._models:
            self._tracker.log_checkpoints(self._models)
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._thread.shutdown(wait=True)
        if error and self._writing and (failure := self._writing.exception()) and error.args:
            error.args = (f"{error.args[0]}; nor could its last checkpoint be written: {failure}", *error.args[1:])
