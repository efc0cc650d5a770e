"""`sweep`: which settings are varied, how values are found, and which trials are given up early."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, StringConstraints, Tag, model_validator

from dist_bp.config.fields import ByType, Count, Flag, Section, Share, Text, Whole, text_or_other
from dist_bp.config.metrics import Mode
from dist_bp.config.space import GridSpace, NormalSpace, Space

SearchName = Literal["grid", "random", "tpe"]
SchedulerName = Literal["none", "asha", "median", "pbt"]


class GridSearch(Section):
    """Every combination once."""

    type: Literal["grid"] = Field(description="Every combination of the values once.")


class RandomSearch(Section):
    """Independent draws."""

    type: Literal["random"] = Field(description="Independent draws; of grid spaces every combination for each draw.")


class Tpe(Section):
    """Tree-structured Parzen estimator of Optuna."""

    type: Literal["tpe"] = Field(description="Optuna's tree-structured Parzen estimator: learns from earlier trials.")
    n_startup_trials: Whole = Field(default=10, description="Trials drawn at random before it learns.")
    n_ei_candidates: Count = Field(default=24, description="Candidates that are compared for each trial.")
    multivariate: Flag = Field(default=False, description="Look at the parameters together, not one by one.")


class NoScheduler(Section):
    """Every trial runs to its end."""

    type: Literal["none"] = Field(description="Every trial runs to its end.")


class Asha(Section):
    """Asynchronous successive halving."""

    type: Literal["asha"] = Field(
        description="Asynchronous successive halving: trials pause at epochs, the best go on from their checkpoints."
    )
    grace_period: Count = Field(default=1, description="Epochs of every trial: the first rung.")
    reduction_factor: Annotated[int, Field(ge=2)] = Field(
        default=4, description="One of so many goes on from a rung, to so many times the epochs."
    )


class Median(Section):
    """Stops what is worse than the median."""

    type: Literal["median"] = Field(
        description="Stops a trial whose best value is worse than the median of the others' averages."
    )
    grace_period: Count = Field(default=1, description="Epochs of every trial.")
    min_samples_required: Count = Field(default=3, description="Trials that are compared with at least.")


class Pbt(Section):
    """Population based training."""

    type: Literal["pbt"] = Field(
        description="Population based training: the worst trials copy weights of the best and vary their parameters."
    )
    perturbation_interval: Count = Field(default=2, description="Epochs between two comparisons.")
    quantile_fraction: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.25, description="Part of the population that copies, and is copied."
    )
    resample_probability: Share = Field(
        default=0.25, description="How often a parameter is drawn anew instead of varied."
    )


SearchOptions = Annotated[GridSearch | RandomSearch | Tpe, ByType()]
SchedulerOptions = Annotated[NoScheduler | Asha | Median | Pbt, ByType()]
Search = Annotated[
    Annotated[SearchName, Tag("type=text")] | Annotated[SearchOptions, Tag("type=other")],
    Discriminator(text_or_other),
]
Scheduler = Annotated[
    Annotated[SchedulerName, Tag("type=text")] | Annotated[SchedulerOptions, Tag("type=other")],
    Discriminator(text_or_other),
]
_SEARCHES: dict[str, type[Any]] = {"grid": GridSearch, "random": RandomSearch, "tpe": Tpe}
_SCHEDULERS: dict[str, type[Any]] = {"none": NoScheduler, "asha": Asha, "median": Median, "pbt": Pbt}
DEFAULT_SAMPLES = 10
RESERVED = ("sweep", "name", "tracking", "ray", "checkpoint")
"""Sections that are the sweep's own, not a trial's."""


def _settings(spaces: dict[str, Space]) -> dict[str, Space]:
    reserved = [key for key in spaces if key.partition(".")[0] in RESERVED]
    if reserved:
        raise ValueError(f"{', '.join(reserved)} cannot be varied: all trials share it")
    return spaces


class SweepConfig(Section):
    """Which settings are varied, and how."""

    metric: Text = Field(default="val_loss", description="Value that trials are compared by.")
    mode: Mode | None = Field(
        default=None, description="Whether less or more is better; null: told by the metric's name."
    )
    num_samples: Count | None = Field(
        default=None, description="Trials; null: 10. A grid has as many as there are combinations."
    )
    search: Search = Field(default="random", description="How values are found: grid, random, tpe; or a mapping.")
    scheduler: Scheduler = Field(
        default="none", description="Which trials are given up early: none, asha, median, pbt; or a mapping."
    )
    max_concurrent: Count | None = Field(
        default=None, description="Trials at a time; null: as many as the cluster has CPUs for."
    )
    max_failures: Whole = Field(default=3, description="Failed trials that the sweep bears; one more ends it.")
    parameters: Annotated[dict[Text, Space], AfterValidator(_settings)] = Field(
        min_length=1, description="The space of each varied setting, by its dotted key: train.optimizer.learning_rate."
    )
    conditions: tuple[Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")], ...] = Field(
        default=(),
        description="Functions module:name of your own; each is given the values by key and says whether to try them.",
    )

    @property
    def search_options(self) -> GridSearch | RandomSearch | Tpe:
        search = self.search
        return _SEARCHES[search](type=search) if isinstance(search, str) else search

    @property
    def scheduler_options(self) -> NoScheduler | Asha | Median | Pbt:
        scheduler = self.scheduler
        return _SCHEDULERS[scheduler](type=scheduler) if isinstance(scheduler, str) else scheduler

    @property
    def samples(self) -> int:
        return self.num_samples or DEFAULT_SAMPLES

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if found := list(self._disagreements()):
            raise ValueError("; ".join(found))
        return self

    def _disagreements(self) -> Iterator[str]:
        search, scheduler = self.search_options.type, self.scheduler_options.type
        grids = [key for key, space in self.parameters.items() if isinstance(space, GridSpace)]
        endless = [key for key, space in self.parameters.items() if not space.countable]
        if search == "grid" and endless:
            yield f"search grid needs spaces that can be counted, {', '.join(endless)} cannot: use choice or grid"
        if search == "grid" and self.num_samples is not None:
            yield "search grid tries every combination once: remove num_samples"
        if search == "tpe" and grids:
            yield f"search tpe draws its values, {', '.join(grids)} would list them: use choice"
        if scheduler == "pbt":
            yield from self._pbt_disagreements(search)

    def _pbt_disagreements(self, search: str) -> Iterator[str]:
        if search != "random":
            yield f"scheduler pbt varies the values itself, search {search} does not fit: remove search"
        if self.max_concurrent is not None:
            yield "scheduler pbt needs its whole population at once: remove max_concurrent"
        if self.conditions:
            yield "scheduler pbt varies values without asking conditions: remove them"
        if self.samples * self.scheduler_options.quantile_fraction < 1:  # type: ignore[union-attr]
            yield f"scheduler pbt compares too few trials ({self.samples}): raise num_samples or quantile_fraction"
        unbounded = [key for key, space in self.parameters.items() if isinstance(space, NormalSpace)]
        if unbounded:
            yield f"scheduler pbt needs spaces with ends, {', '.join(unbounded)} has none: use uniform or loguniform"
        fixed = [key for key in self.parameters if not key.startswith(("train.optimizer.", "train.clip_"))]
        if fixed:
            yield (
                f"scheduler pbt copies weights in the middle of training, where {', '.join(fixed)} cannot change: "
                "vary settings of train.optimizer, train.clip_norm or train.clip_value"
            )
