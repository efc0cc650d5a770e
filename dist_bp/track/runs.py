"""Runs as they were recorded, whatever the store: what is read back, and how it is put side by side."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from dist_bp.track.names import curve_name, is_curve
from dist_bp.track.port import DESCRIPTION

SHORT = 8


@dataclass(frozen=True)
class RunRecord:
    """A run. Times are in seconds since 1970; `ended` is None while it runs. `metrics` are the last values:
    those named as in YAML are of the parameters that it gave back."""

    run_id: str
    name: str
    status: str
    started: float
    ended: float | None
    parent_id: str | None
    experiment_id: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    url: str

    @property
    def short_id(self) -> str:
        return self.run_id[:SHORT]

    @property
    def description(self) -> str:
        return self.tags.get(DESCRIPTION, "")

    def seconds(self, now: float | None = None) -> float:
        """How long it took, or has taken up to `now`."""
        return max((self.ended or now or datetime.now(UTC).timestamp()) - self.started, 0.0)


@dataclass(frozen=True)
class ModelRecord:
    """A model that a run has logged; `metrics` are those it reached at `step`, of a checkpoint by its curves."""

    model_id: str
    name: str
    uri: str
    status: str
    step: int | None
    metrics: Mapping[str, float]

    def metric(self, name: str) -> float | None:
        """The value of `val_loss`, say, whether it is the final model or a checkpoint; None where it has none."""
        return self.metrics.get(name, self.metrics.get(curve_name(name)))


def nested(runs: Sequence[RunRecord]) -> Iterator[tuple[int, RunRecord]]:
    """The runs in their order with their depth, those below another of them behind it."""
    ids = {run.run_id for run in runs}

    def below(parent: str | None, depth: int) -> Iterator[tuple[int, RunRecord]]:
        for run in runs:
            if (run.parent_id if run.parent_id in ids else None) == parent:
                yield depth, run
                yield from below(run.run_id, depth + 1)

    yield from below(None, 0)


def key_metrics(runs: Sequence[RunRecord], first: str | None = None) -> list[str]:
    """The few metrics that tell most of these runs: `first`, then the main metric of each split, then losses."""
    counts = Counter(name for run in runs for name in run.metrics)
    wanted = [first] if first else []
    for split in ("test_", "val_"):
        scores = [name for name in counts if name.startswith(split) and name != f"{split}loss"]
        wanted += sorted(scores, key=lambda name: (-counts[name], name))[:1]
    wanted += [name for name in ("val_loss", "train_loss") if name in counts]
    return list(dict.fromkeys(wanted))[:4]


def differing_params(runs: Sequence[RunRecord]) -> dict[str, list[str | None]]:
    """Values of the params that are not the same in all of the runs; None where a run has none."""
    names = dict.fromkeys(name for run in runs for name in run.params)
    rows = {name: [run.params.get(name) for run in runs] for name in names}
    return {name: values for name, values in rows.items() if len(set(values)) > 1}


def metric_rows(runs: Sequence[RunRecord]) -> dict[str, list[float | None]]:
    """Values of all metrics, grouped by name; curves and those of the machine left out."""
    names = sorted({name for run in runs for name in run.metrics if not (name.startswith("system/") or is_curve(name))})
    return {name: [run.metrics.get(name) for run in runs] for name in names}
