"""`sweep`: which settings are varied, how values are found, and which trials are given up early."""

from collections.abc import Iterator
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from dist_bp.components import SCHEDULERS, SEARCHES, SPACES
from dist_bp.config.component import OWN_PATTERN, Of, construct
from dist_bp.config.fields import Count, Section, Text, Whole
from dist_bp.tuning.schedulers.base import SchedulerOptions
from dist_bp.tuning.schedulers.pbt import Pbt
from dist_bp.tuning.searches.base import SearchOptions
from dist_bp.tuning.searches.grid import GridSearch
from dist_bp.tuning.searches.random import RandomSearch
from dist_bp.tuning.searches.tpe import Tpe
from dist_bp.tuning.spaces.base import Space
from dist_bp.tuning.spaces.grid import GridSpace
from dist_bp.tuning.spaces.normal import NormalSpace
from dist_bp.types import Direction

DEFAULT_SAMPLES = 10
RESERVED = ("sweep", "name", "tracking", "ray", "checkpoint")
"""Sections that are the sweep's own, not a trial's."""


def _settings(spaces: dict[str, Any]) -> dict[str, Any]:
    reserved = [key for key in spaces if key.partition(".")[0] in RESERVED]
    if reserved:
        raise ValueError(f"{', '.join(reserved)} cannot be varied: all trials share it")
    return spaces


class SweepConfig(Section):
    """Which settings are varied, and how."""

    metric: Text = Field(
        default="val_loss",
        description="Value that trials are compared by; without a validation split train_loss by default.",
    )
    mode: Direction | None = Field(
        default=None, description="Whether less or more is better; null: told by the metric's name."
    )
    num_samples: Count | None = Field(
        default=None, description="Trials; null: 10. A grid has as many as there are combinations."
    )
    search: Annotated[Any, Of(SEARCHES)] = Field(
        default={"type": "random"}, description="How values are found: grid, random, tpe; or a mapping."
    )
    scheduler: Annotated[Any, Of(SCHEDULERS)] = Field(
        default={"type": "none"}, description="Which trials are given up early: none, asha, median, pbt; or a mapping."
    )
    max_concurrent: Count | None = Field(
        default=None, description="Trials at a time; null: as many as the cluster has CPUs for."
    )
    max_failures: Whole = Field(default=3, description="Failed trials that the sweep bears; one more ends it.")
    parameters: Annotated[dict[Text, Annotated[Any, Of(SPACES)]], AfterValidator(_settings)] = Field(
        min_length=1, description="The space of each varied setting, by its dotted key: train.optimizer.learning_rate."
    )
    conditions: tuple[Annotated[str, StringConstraints(pattern=OWN_PATTERN)], ...] = Field(
        default=(),
        description="Functions module:name of your own; each is given the values by key and says whether to try them.",
    )

    @property
    def spaces(self) -> dict[str, Space]:
        """The space of each varied setting, by its dotted key."""
        return {key: construct(section) for key, section in self.parameters.items()}

    @property
    def search_options(self) -> SearchOptions:
        return construct(self.search)  # type: ignore[no-any-return]

    @property
    def scheduler_options(self) -> SchedulerOptions:
        return construct(self.scheduler)  # type: ignore[no-any-return]

    @property
    def samples(self) -> int:
        return self.num_samples or DEFAULT_SAMPLES

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if found := list(self._disagreements()):
            raise ValueError("; ".join(found))
        return self

    def _disagreements(self) -> Iterator[str]:
        search, scheduler = self.search_options, self.scheduler_options
        grids = [key for key, space in self.spaces.items() if isinstance(space, GridSpace)]
        endless = [key for key, space in self.spaces.items() if not space.countable]
        if isinstance(search, GridSearch) and endless:
            yield f"search grid needs spaces that can be counted, {', '.join(endless)} cannot: use choice or grid"
        if isinstance(search, GridSearch) and self.num_samples is not None:
            yield "search grid tries every combination once: remove num_samples"
        if isinstance(search, Tpe) and grids:
            yield f"search tpe draws its values, {', '.join(grids)} would list them: use choice"
        if isinstance(scheduler, Pbt):
            yield from self._pbt_disagreements(search, scheduler)

    def _pbt_disagreements(self, search: SearchOptions, scheduler: Pbt) -> Iterator[str]:
        if not isinstance(search, RandomSearch):
            yield f"scheduler pbt varies the values itself, search {self.search.type} does not fit: remove search"
        if self.max_concurrent is not None:
            yield "scheduler pbt needs its whole population at once: remove max_concurrent"
        if self.conditions:
            yield "scheduler pbt varies values without asking conditions: remove them"
        if self.samples * scheduler.quantile_fraction < 1:
            yield f"scheduler pbt compares too few trials ({self.samples}): raise num_samples or quantile_fraction"
        unbounded = [key for key, space in self.spaces.items() if isinstance(space, NormalSpace)]
        if unbounded:
            yield f"scheduler pbt needs spaces with ends, {', '.join(unbounded)} has none: use uniform or loguniform"
        fixed = [key for key in self.parameters if not key.startswith(("train.optimizer.", "train.clip_"))]
        if fixed:
            yield (
                f"scheduler pbt copies weights in the middle of training, where {', '.join(fixed)} cannot change: "
                "vary settings of train.optimizer, train.clip_norm or train.clip_value"
            )
