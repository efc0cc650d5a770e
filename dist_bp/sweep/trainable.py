"""One trial as Ray Tune runs it: a training job, some epochs a step."""

import os
import shutil
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from ray import tune

from dist_bp.messages import one_line
from dist_bp.runtime.pool import Pool
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.schedule import NO_NEWS, decides
from dist_bp.sweep.session import Epoch, Session
from dist_bp.track.drawing import Drawing

CHECKPOINT = "checkpoint"
SWITCHES = {"RAY_CHDIR_TO_TRIAL_DIR": "0"}
"""For Tune's side of a trial: it works in the folder of its sweep."""
NEWS_SECONDS = 2.0
"""After which a step ends without news: what is busy in a step cannot be told to stop."""


class TrainingTrial(tune.Trainable):  # type: ignore[misc]
    """`config["trial"]` has the `values` by key and the path of a checkpoint to `resume`, if any.

    Tune's name of the trial is the id of its MLflow run: population based training copies configurations from one
    trial to another, but not names.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        os.environ.update(SWITCHES)
        super().__init__(*arguments, **options)

    def setup(self, config: dict[str, Any], job: SweepJob, folder: Path) -> None:
        """`folder` is the working directory of the sweep, where this node has it: paths and modules are relative."""
        if folder.is_dir():
            os.chdir(folder)
        self._job = job
        self._pool, self._drawing = Pool(), Drawing()
        self._ending: Session | None = None
        self._begin(config)

    def _begin(self, config: dict[str, Any]) -> None:
        self._values, resume = config["trial"]["values"], config["trial"]["resume"]
        self._resume = Path(resume) if resume else None
        self._session: Session | None = None

    def step(self) -> dict[str, Any]:
        try:
            if self._session is None:  # not sooner: Tune may hand over a checkpoint first
                job = self._job.trial(self._values)
                waits = partial(decides, self._job)
                self._session = Session(job, self.trial_name, self._resume, waits, self._pool, self._drawing)
            answer = self._session.advance(NEWS_SECONDS)
        except Exception as error:
            return {"metrics": {}, "epoch": 0, "seconds": 0.0, "failed": one_line(error), "over": True, "done": True}
        if answer is None:
            return NO_NEWS | {"doing": self._session.doings.now}
        if isinstance(answer, Epoch):
            return _report(answer.values, answer.kept, answer.number, answer.seconds, over=False)
        return _report(answer.metrics, answer.metrics, answer.epochs, answer.seconds, over=True)

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        if self._session and self._session.waiting:
            shutil.copytree(self._session.save(), Path(checkpoint_dir) / CHECKPOINT, copy_function=_link)

    def load_checkpoint(self, checkpoint: str) -> None:
        self._end()
        self._resume = Path(checkpoint) / CHECKPOINT

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._end()
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        self._end()
        self._join()
        self._pool.close()
        self._drawing.close()

    def _end(self) -> None:
        """The next trial has the processes then; what is left of this one is recorded beside it."""
        self._join()
        self._ending, self._session = self._session, None
        if self._ending:
            with suppress(Exception):  # the trial is given up, and the actor is the next one's
                self._ending.stop()

    def _join(self) -> None:
        session, self._ending = self._ending, None
        if session:
            with suppress(Exception):  # see `_end`
                session.join()


def _report(values: dict[str, float], kept: dict[str, float], epoch: int, seconds: float, over: bool) -> dict[str, Any]:
    """What Tune is told: `values` for its scheduler, and what the trial would give back, the metrics `kept`."""
    return {**values, "metrics": kept, "epoch": epoch, "seconds": seconds, "over": over, "done": over}


def _link(source: str, target: str) -> str:
    """Checkpoint files never change, so a second name for them will do where the file system has such."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target
