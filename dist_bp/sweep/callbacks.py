"""What Ray Tune asks and tells while it runs trials, passed on to the study."""

from collections.abc import Callable
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.search import Searcher

from dist_bp.errors import DistBpError
from dist_bp.messages import last_line
from dist_bp.sweep.study import Study
from dist_bp.sweep.trial import Status, Trial

STATES: dict[str, Status] = {
    TuneTrial.PENDING: "waiting",
    TuneTrial.RUNNING: "running",
    TuneTrial.PAUSED: "paused",
}


class Proposals(Searcher):  # type: ignore[misc]
    """Tune asks for a trial; `arguments` makes the trainable's configuration."""

    def __init__(self, study: Study, arguments: Callable[[Trial], dict[str, Any]]) -> None:
        super().__init__()
        self._study = study
        self._arguments = arguments

    def suggest(self, trial_id: str) -> Any:
        study = self._study
        if study.full:
            return None
        try:
            trial = None if study.ended_early else study.next()
        except DistBpError as error:  # Tune would print a traceback and go on asking
            study.error = error
            return Searcher.FINISHED
        if trial:
            return {"trial": self._arguments(trial)}
        # While a paused trial may go on, None: once the search is over, Tune ends the actor of every trial that pauses
        return Searcher.FINISHED if study.ended_early or study.all_over else None

    def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
        pass

    def set_search_properties(self, metric: str | None, mode: str | None, config: Any, **spec: Any) -> bool:
        return True

    def save(self, checkpoint_path: str) -> None:
        """The journal keeps what a search needs."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""


class StudyCallback(tune.Callback):  # type: ignore[misc]
    """Brings the study up to date."""

    def __init__(self, study: Study, metric: str) -> None:
        self._study = study
        self._metric = metric

    def on_trial_result(
        self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, result: dict[str, Any], **_: Any
    ) -> None:
        known = self._study.of(str(trial))
        if "failed" in result:
            return
        if result.get("idle"):
            self._study.busy(known, result["doing"])
            return
        value = float(result.get(self._metric, "nan"))
        score = float(result["metrics"].get(self._metric, "nan"))
        if result["over"]:
            known.curve.setdefault(result["epoch"], score)
            known.score, known.metrics, known.seconds = score, result["metrics"], result["seconds"]
        else:
            self._study.observe(known, result["epoch"], value, score, result["metrics"], result["seconds"])

    def on_trial_complete(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        known = self._study.of(str(trial))
        if failure := trial.last_result.get("failed"):
            known.cause = failure
            self._study.set(known, "failed")
        elif trial.last_result.get("over"):
            self._study.set(known, "finished")
        else:
            self._study.set(known, "waiting" if self._study.ended_early else "stopped")

    def on_trial_error(self, iteration: int, trials: list[TuneTrial], trial: TuneTrial, **_: Any) -> None:
        known = self._study.of(str(trial))
        known.cause = _cause(trial)
        self._study.set(known, "failed")

    def on_step_end(self, iteration: int, trials: list[TuneTrial], **_: Any) -> None:
        for trial in trials:
            known = self._study.of(str(trial))
            if known.over or self._study.ended_early:
                continue
            self._adopt_values(known, trial.config["trial"]["values"])
            status = STATES.get(trial.status, known.status)
            if known.status != status:
                self._study.set(known, status)

    def _adopt_values(self, trial: Trial, values: dict[str, Any]) -> None:
        """Population based training changes them."""
        if values != trial.values:
            trial.values = dict(values)
            self._study.journal.began(trial)


def _cause(trial: TuneTrial) -> str:
    """Why a trial broke outside of its training: the last line of the traceback that Tune has kept, if any."""
    text = str(trial.get_error() or "").strip()
    if any("ray::" in line for line in text.splitlines()[:3]):  # where a traceback of an actor begins
        return last_line(text)
    return "its process ended or was killed"


class EarlyEnd(tune.Stopper):  # type: ignore[misc]
    """Ends the sweep when it was interrupted or too many trials failed."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._study.ended_early
