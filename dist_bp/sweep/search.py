"""Which values the next trial gets: a pure function of the space, the seed and the trials so far.

Draws and the tree-structured Parzen estimator (Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011)
are Optuna's. Because nothing is kept from one trial to the next, a resumed sweep proposes what an uninterrupted one
would have, given the same results.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from statistics import NormalDist
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from dist_bp.config.metrics import monitor_mode
from dist_bp.config.sweep import SweepConfig
from dist_bp.errors import ConfigError, UserError
from dist_bp.plugins import import_function, told
from dist_bp.sweep.trial import Trial
from dist_bp.tuning.searches.grid import GridSearch
from dist_bp.tuning.searches.tpe import Tpe
from dist_bp.tuning.spaces.base import Listed, Space
from dist_bp.tuning.spaces.grid import GridSpace
from dist_bp.tuning.spaces.loguniform import LogUniformSpace
from dist_bp.tuning.spaces.normal import NormalSpace
from dist_bp.tuning.spaces.quniform import QUniformSpace
from dist_bp.tuning.spaces.randint import RandIntSpace

Condition = Callable[[dict[str, Any]], bool]
ATTEMPTS = 1000
MIN_IMPORTANCE = 4
ENDED = ("finished", "stopped")
TAILS = 1e-6
"""Of a normal distribution, at each end, that are never drawn."""


class Search:
    """The search of a sweep; `wrong` says why values make no job, None if they do.

    Raises ConfigError where a condition cannot be found.
    """

    def __init__(
        self, sweep: SweepConfig, seed: int, wrong: Callable[[dict[str, Any]], str | None] = lambda values: None
    ) -> None:
        self._wrong = wrong
        self._sweep = sweep
        self._seed = seed
        self._conditions: list[Condition] = [import_function(name) for name in sweep.conditions]
        self._distributions = {key: _distribution(space) for key, space in sweep.spaces.items()}

    @property
    def total(self) -> int:
        """Trials of the whole sweep."""
        if self._grid_search:
            return len(self._combinations)
        return self._sweep.samples * len(self._combinations)

    def propose(self, number: int, trials: Sequence[Trial]) -> dict[str, Any]:
        """The values of trial `number` by key. Raises UserError where the conditions admit none."""
        fixed = self._combinations[number % len(self._combinations)]
        if self._grid_search:
            return fixed
        for attempt in range(ATTEMPTS):
            values = self._draw(number, attempt, trials) | fixed
            refusal = self._refusal(values)
            if refusal is None:
                return values
        raise UserError(f"sweep: none of {ATTEMPTS} draws can be tried, the last because {refusal}")

    def importances(self, trials: Iterable[Trial]) -> dict[str, float]:
        """By key the part of the variance of the score that the setting explains (Hutter et al., An Efficient Approach
        for Assessing Hyperparameter Importance, 2014: fANOVA); empty where too few trials tell.

        Where trials were given up, all are compared at the last epoch that all have come to.
        """
        ended = [trial for trial in trials if trial.status in ENDED and trial.curve]
        if any(trial.status == "stopped" for trial in ended):
            common = min(trial.epochs for trial in ended)
            ended = [replace(trial, score=trial.curve.get(common)) for trial in ended]
        frozen = [self._frozen(replace(trial, status="finished")) for trial in ended]
        complete = [trial for trial in frozen if trial.state == TrialState.COMPLETE]
        if len(complete) < MIN_IMPORTANCE or len({trial.value for trial in complete}) == 1:
            return {}
        from optuna.importance import FanovaImportanceEvaluator  # imports scikit-learn, which takes a second

        study = self._study(None)
        study.add_trials(complete)
        return dict(optuna.importance.get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0)))

    @cached_property
    def _grid_search(self) -> bool:
        return isinstance(self._sweep.search_options, GridSearch)

    @cached_property
    def _combinations(self) -> list[dict[str, Any]]:
        """Of the spaces that are gone through one by one; a single empty one where there are none."""
        listed = {
            key: _listed(space)
            for key, space in self._sweep.spaces.items()
            if self._grid_search or isinstance(space, GridSpace)
        }
        found = [dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())]
        if not self._grid_search:
            return found
        refusals = [self._refusal(values) for values in found]
        if None not in refusals:
            raise UserError(f"sweep: no combination of the grid can be tried, the last because {refusals[-1]}")
        return [values for values, refusal in zip(found, refusals, strict=True) if refusal is None]

    def _refusal(self, values: dict[str, Any]) -> str | None:
        """Why the values are not to be tried; None if they are."""
        for name, condition in zip(self._sweep.conditions, self._conditions, strict=True):
            if not _admits(name, condition, values):
                return f"{name} does not admit {values}"
        return self._wrong(values)

    def _draw(self, number: int, attempt: int, trials: Iterable[Trial]) -> dict[str, Any]:
        seed = int(np.random.SeedSequence([self._seed, number, attempt]).generate_state(1)[0])
        options = self._sweep.search_options
        if isinstance(options, Tpe):
            sampler: optuna.samplers.BaseSampler = optuna.samplers.TPESampler(
                seed=seed, constant_liar=True, **asdict(options)
            )
            study = self._study(sampler)
            study.add_trials([self._frozen(trial) for trial in trials])
        else:
            study = self._study(optuna.samplers.RandomSampler(seed))
        drawn = study.ask(self._distributions).params
        return {key: _decoded(space, drawn[key]) for key, space in self._sweep.spaces.items()}

    def _study(self, sampler: optuna.samplers.BaseSampler | None) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        mode = monitor_mode(self._sweep.metric, self._sweep.mode)
        return optuna.create_study(sampler=sampler, direction="minimize" if mode == "min" else "maximize")

    def _frozen(self, trial: Trial) -> FrozenTrial:
        state, value = TrialState.RUNNING, None
        curve = {epoch: score for epoch, score in trial.curve.items() if np.isfinite(score)}
        if trial.status == "failed":
            state = TrialState.FAIL
        elif trial.status == "finished" and trial.score is not None and np.isfinite(trial.score):
            state, value = TrialState.COMPLETE, trial.score
        elif trial.status in ("stopped", "paused", "finished"):
            state = TrialState.PRUNED
        params = {key: _encoded(space, trial.values[key]) for key, space in self._sweep.spaces.items()}
        return create_trial(
            state=state, value=value, params=params, distributions=self._distributions, intermediate_values=curve
        )


def _admits(name: str, condition: Condition, values: dict[str, Any]) -> bool:
    """Asks a condition. Raises ConfigError with its name, the values and the cause where it raises.

    It is the user's function, which may raise anything; nothing but the call is guarded.
    """
    try:
        return bool(condition(dict(values)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # it may call sys.exit
        raise ConfigError(f"sweep.conditions: {name} failed for {values}: {told(error)}") from error


def _listed(space: Space) -> Sequence[Any]:
    return range(space.low, space.high) if isinstance(space, RandIntSpace) else space.probes()


def _distribution(space: Space) -> BaseDistribution:
    """The space as Optuna draws from it; of listed values the index, of a normal distribution the quantile."""
    match space:
        case Listed():
            return CategoricalDistribution(range(len(space.values)))
        case RandIntSpace():
            return IntDistribution(space.low, space.high - 1)
        case NormalSpace():
            return FloatDistribution(TAILS, 1 - TAILS)
        case _:
            low, high = space.probes()
            step = space.q if isinstance(space, QUniformSpace) else None
            return FloatDistribution(low, high, log=isinstance(space, LogUniformSpace), step=step)


def _decoded(space: Space, drawn: Any) -> Any:
    match space:
        case Listed():
            return space.values[drawn]
        case NormalSpace():
            return NormalDist(space.mean, space.sd).inv_cdf(drawn)
        case _:
            return drawn


def _encoded(space: Space, value: Any) -> Any:
    match space:
        case Listed():
            return space.values.index(value)
        case NormalSpace():
            return min(max(NormalDist(space.mean, space.sd).cdf(value), TAILS), 1 - TAILS)
        case _:
            return value
