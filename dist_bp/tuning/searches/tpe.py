"""Optuna's tree-structured Parzen estimator."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.options import Count, Doc, Whole
from dist_bp.tuning.searches.base import SearchOptions


@dataclass(frozen=True, kw_only=True)
class Tpe(SearchOptions):
    """Optuna's tree-structured Parzen estimator: learns from earlier trials."""

    n_startup_trials: Annotated[Whole, Doc("Trials drawn at random before it learns.")] = 10
    n_ei_candidates: Annotated[Count, Doc("Candidates that are compared for each trial.")] = 24
    multivariate: Annotated[bool, Doc("Look at the parameters together, not one by one.")] = False
