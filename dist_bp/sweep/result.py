"""What a finished sweep hands back."""

from dataclasses import dataclass
from typing import Any

from dist_bp.sweep.trial import Trial
from dist_bp.train.result import finite
from dist_bp.types import Direction


@dataclass(frozen=True)
class SweepResult:
    """`trials` are ranked, the best first; `ran` of them ended in this process and took `seconds`,
    `training_seconds` of it without their starts and ends. `best_config` is the file of the best configuration."""

    name: str
    run_id: str
    status: str
    metric: str
    mode: Direction
    trials: list[Trial]
    epochs: int
    ran: int
    seconds: float
    training_seconds: float
    folder: str
    best_config: str
    best_model: str
    model_uri: str | None
    run_url: str | None
    tracking_uri: str

    @property
    def best(self) -> Trial:
        return self.trials[0]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return vars(self) | {"trials": [_facts(trial) for trial in self.trials]}


def _facts(trial: Trial) -> dict[str, Any]:
    facts = {name: value for name, value in vars(trial).items() if name not in ("curve", "doing")}
    score = finite({"score": trial.score})["score"] if trial.score is not None else None
    return facts | {"epochs": trial.epochs, "score": score, "metrics": finite(trial.metrics)}
