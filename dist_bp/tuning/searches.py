"""How the values of a sweep's trials are found: what each way is told."""

from dataclasses import dataclass
from typing import Annotated

from dist_bp.component import Component
from dist_bp.options import Count, Doc, Whole


class Search(Component):
    """A way of finding values."""


class GridSearch(Search):
    """Every combination of the values once."""


class RandomSearch(Search):
    """Independent draws; of grid spaces every combination for each draw."""


@dataclass(frozen=True, kw_only=True)
class Tpe(Search):
    """Optuna's tree-structured Parzen estimator: learns from earlier trials."""

    n_startup_trials: Annotated[Whole, Doc("Trials drawn at random before it learns.")] = 10
    n_ei_candidates: Annotated[Count, Doc("Candidates that are compared for each trial.")] = 24
    multivariate: Annotated[bool, Doc("Look at the parameters together, not one by one.")] = False
