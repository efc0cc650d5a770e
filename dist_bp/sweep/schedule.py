"""The schedulers of Ray Tune, made from the configuration."""

import random
from typing import Any

from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import FIFOScheduler, PopulationBasedTraining, TrialScheduler

from dist_bp.sweep.halving import Halving
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.median import MedianRule
from dist_bp.sweep.study import Study
from dist_bp.tuning.schedulers.asha import Asha
from dist_bp.tuning.schedulers.median import Median
from dist_bp.tuning.schedulers.pbt import Pbt
from dist_bp.tuning.spaces.base import Listed, Range, Space
from dist_bp.tuning.spaces.loguniform import LogUniformSpace
from dist_bp.tuning.spaces.normal import NormalSpace
from dist_bp.tuning.spaces.quniform import QUniformSpace
from dist_bp.tuning.spaces.randint import RandIntSpace

CONTINUE: str = TrialScheduler.CONTINUE
PAUSE: str = TrialScheduler.PAUSE
STOP: str = TrialScheduler.STOP
NO_NEWS = {"idle": True, "done": False}
"""The result of a trial that trains and has nothing to tell."""


def make_scheduler(job: SweepJob, study: Study) -> TrialScheduler:
    """The scheduler of the sweep; `study` has the epochs of an earlier process, which count but in a population."""
    match job.sweep.scheduler_options:
        case Asha() as options:
            return HalvingScheduler(job.metric, _halving(job, options), study)
        case Median() as options:
            rule = MedianRule(job.mode, job.grace_period, options.min_samples_required)
            return MedianScheduler(job.metric, rule, study)
        case Pbt() as options:
            random.seed(job.config.seed)  # Tune draws from the global generator
            return _population_based(job, options)
        case _:
            return FIFOScheduler()


def decides(job: SweepJob, epoch: int) -> bool:
    """Whether the scheduler has something to decide after this epoch, so that a trial must wait for it."""
    match job.sweep.scheduler_options:
        case Asha() as options:
            return _halving(job, options).is_rung(epoch)
        case Pbt() as options:
            return epoch % options.perturbation_interval == 0
        case Median():
            return True
        case _:
            return False


def _halving(job: SweepJob, options: Asha) -> Halving:
    return Halving(job.mode, job.grace_period, options.reduction_factor, job.config.train.epochs)


class MedianScheduler(FIFOScheduler):  # type: ignore[misc]
    """The median stopping rule."""

    def __init__(self, metric: str, rule: MedianRule, study: Study) -> None:
        super().__init__()
        self._score_name = metric
        self._rule = rule
        self._study = study
        _replay(study, rule)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        if result.get("idle"):
            return CONTINUE
        number, epoch = self._study.of(str(trial)).number, result["epoch"]
        self._rule.observe(number, epoch, result[self._score_name])
        return STOP if self._rule.gives_up(number, epoch) else CONTINUE


def _replay(study: Study, rule: Halving | MedianRule) -> None:
    for trial in study.trials:
        for epoch, score in trial.curve.items():
            rule.observe(trial.number, epoch, score)


class HalvingScheduler(FIFOScheduler):  # type: ignore[misc]
    """Asynchronous successive halving that pauses and promotes: Tune's own lets trials run on or ends them."""

    def __init__(self, metric: str, halving: Halving, study: Study) -> None:
        super().__init__()
        self._score_name = metric
        self._halving = halving
        self._study = study
        _replay(study, halving)

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:
        """A trial that an earlier process had paused stays so until it is promoted."""
        known = self._study.of(str(trial))
        if self._halving.is_rung(known.epochs) and not self._halving.may_pass(known.number, known.epochs):
            trial.init_local_path()  # as Tune does where a trial begins
            trial.set_status(TuneTrial.PAUSED)

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        if result.get("idle"):
            return CONTINUE
        number, epoch = self._study.of(str(trial)).number, result["epoch"]
        self._halving.observe(number, epoch, result[self._score_name])
        stays = self._halving.is_rung(epoch) and not self._halving.may_pass(number, epoch)
        return PAUSE if stays else CONTINUE

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:
        trials = {self._study.of(str(trial)).number: trial for trial in tune_controller.get_trials()}
        active = [trial for trial in trials.values() if trial.status in (TuneTrial.PENDING, TuneTrial.RUNNING)]
        paused = {
            number: self._study.trials[number].epochs
            for number, trial in trials.items()
            if trial.status == TuneTrial.PAUSED
        }
        closing = not active and self._study.all_given
        chosen = None if active and self._study.full else self._halving.promotable(paused, closing)
        if chosen is not None:
            return trials[chosen]
        if closing:
            for number in paused:
                tune_controller.stop_trial(trials[number])
        return next((trial for trial in active if trial.status == TuneTrial.PENDING), None)


class Population(PopulationBasedTraining):  # type: ignore[misc]
    """Population based training, which knows no results without news."""

    def on_trial_result(self, tune_controller: Any, trial: TuneTrial, result: dict[str, Any]) -> str:
        if result.get("idle"):
            return CONTINUE
        decision: str = super().on_trial_result(tune_controller, trial, result)
        return decision


def _population_based(job: SweepJob, options: Pbt) -> Population:
    def within_space(config: dict[str, Any]) -> dict[str, Any]:
        """Tune varies a number by a fifth, also beyond the ends of its space."""
        values = config["trial"]["values"]
        for key, space in job.sweep.spaces.items():
            if isinstance(space, Range):
                values[key] = space.nearest(values[key])
        return config

    domains = {key: _domain(space) for key, space in job.sweep.spaces.items()}
    return Population(
        time_attr="epoch",
        metric=job.metric,
        mode=job.mode,
        perturbation_interval=options.perturbation_interval,
        quantile_fraction=options.quantile_fraction,
        resample_probability=options.resample_probability,
        hyperparam_mutations={"trial": {"values": domains}},
        custom_explore_fn=within_space,
        log_config=False,
    )


def _domain(space: Space) -> Any:
    """The space in Tune's terms."""
    match space:
        case Listed():
            return list(space.values)
        case LogUniformSpace():
            return tune.loguniform(space.low, space.high)
        case QUniformSpace():
            return tune.quniform(space.low, space.high, space.q)
        case RandIntSpace():
            return tune.randint(space.low, space.high)
        case NormalSpace():
            return tune.randn(space.mean, space.sd)
        case _:
            return tune.uniform(*space.probes())
