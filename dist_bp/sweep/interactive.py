"""The report of a sweep to be explored in a browser: Optuna's own plots on one page that needs no network."""

import html
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial
from plotly.io import to_html

from dist_bp.sweep.trial import Trial
from dist_bp.tuning.spaces.base import Listed, Space
from dist_bp.tuning.spaces.loguniform import LogUniformSpace
from dist_bp.tuning.spaces.randint import RandIntSpace
from dist_bp.types import Direction

STYLE = "body{font-family:system-ui,sans-serif;margin:2em}h2{font-size:1.1em;margin:2em 0 0}"


def report(
    title: str,
    trials: Sequence[Trial],
    spaces: Mapping[str, Space],
    metric: str,
    mode: Direction,
    importances: Mapping[str, float],
) -> str:
    """An HTML page of the comparable trials: history, parallel coordinates, importances (if there are any), slices."""
    study = _study([trial for trial in trials if trial.comparable], spaces, mode)
    plots: dict[str, Callable[[], Any]] = {
        "History": lambda: optuna.visualization.plot_optimization_history(study, target_name=metric),
        "Parallel coordinates": lambda: optuna.visualization.plot_parallel_coordinate(study, target_name=metric),
    }
    if importances:
        known = _Known(importances)
        plots["Importance of the settings"] = lambda: optuna.visualization.plot_param_importances(
            study, evaluator=known, target_name=metric
        )
    plots["Slices"] = lambda: optuna.visualization.plot_slice(study, target_name=metric)
    parts: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for name, plot in plots.items():
            figure = plot().update_layout(title=None, template="plotly_white")
            drawn = to_html(figure, full_html=False, include_plotlyjs=not parts, config={"displaylogo": False})
            parts.append(f"<h2>{html.escape(name)}</h2>\n{drawn}")
    heading = html.escape(title)
    head = f'<meta charset="utf-8"><title>{heading}</title><style>{STYLE}</style>'
    return f"<!doctype html>\n<html><head>{head}</head><body><h1>{heading}</h1>\n{chr(10).join(parts)}</body></html>\n"


class _Known(optuna.importance.BaseImportanceEvaluator):
    """What was told of the importances already, at an epoch that all trials have come to."""

    def __init__(self, importances: Mapping[str, float]) -> None:
        self._importances = dict(importances)

    def evaluate(self, study: optuna.Study, params: Any = None, *, target: Any = None) -> dict[str, float]:
        return self._importances


def _study(trials: Sequence[Trial], spaces: Mapping[str, Space], mode: Direction) -> optuna.Study:
    """The trials with their settings as people write them."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="minimize" if mode == "min" else "maximize")
    distributions = {
        key: _distribution(space, [trial.values[key] for trial in trials]) for key, space in spaces.items()
    }
    for trial in sorted(trials, key=lambda trial: trial.number):
        study.add_trial(_frozen(trial, spaces, distributions))
    return study


def _frozen(trial: Trial, spaces: Mapping[str, Space], distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    values = {
        key: str(trial.values[key]) if isinstance(space, Listed) else trial.values[key] for key, space in spaces.items()
    }
    return create_trial(state=TrialState.COMPLETE, value=trial.score, params=values, distributions=distributions)


def _distribution(space: Space, values: Sequence[Any]) -> BaseDistribution:
    match space:
        case Listed():
            return CategoricalDistribution([str(value) for value in space.values])
        case RandIntSpace():
            return IntDistribution(space.low, space.high - 1)
        case _:
            return FloatDistribution(min(values), max(values), log=isinstance(space, LogUniformSpace))
