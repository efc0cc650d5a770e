"""Jobs that lose processes without which the others cannot go on, in threads of this process."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dist_bp.config import JobConfig
from dist_bp.errors import CapacityError
from dist_bp.ps.doorbell import PeerLost
from dist_bp.runtime.failures import ProcessDied
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.train.result import Result
from tests.conftest import JobMaker
from tests.train.looking import points

CURVES = ("step/loss", "step/learning_rate", "step/gradient_norm", "epoch/train_loss", "epoch/val_loss")
DIED = "server 0 died: its process ended or was killed"
Open = Callable[..., None]


class Unsteady(ThreadRuntime):
    """Loses a process in the calls that `losses` tells of, by method and number, counted from 1; the lease and the like
    have been done by then. `short` says how often there is no room afterwards."""

    def __init__(self, plan: RunPlan, metrics: Any, losses: set[tuple[str, int]], short: int) -> None:
        super().__init__(plan, metrics)
        self._losses = losses
        self._counts: dict[str, int] = {}
        self.short = short

    def _may_lose(self, method: str) -> None:
        self._counts[method] = number = self._counts.get(method, 0) + 1
        if (method, number) in self._losses or (method, 0) in self._losses:
            raise ProcessDied(DIED) if number % 2 else PeerLost("server 0", "died: its process ended or was killed")

    def start(self, snapshot: Any) -> None:
        super().start(snapshot)
        self._may_lose("start")

    def reform(self, snapshot: Any) -> None:
        super().reform(snapshot)
        self._may_lose("reform")

    def train(self, *lease: Any) -> Any:
        report = super().train(*lease)
        self._may_lose("train")
        return report

    def evaluate(self, split: str, *replace: Any) -> Any:
        evaluation = super().evaluate(split, *replace)
        self._may_lose(split)
        return evaluation

    def read(self) -> Any:
        self._may_lose("read")
        return super().read()

    @property
    def may_grow(self) -> bool:
        self._counts["look"] = number = self._counts.get("look", 0) + 1
        return ("look", number) in self._losses

    def grow(self, snapshot: Any) -> None:
        super().grow(snapshot)
        raise CapacityError("node7 has no data.prepared")

    @property
    def lacking(self) -> str | None:
        self.short -= 1
        return "the job needs 2 CPUs, this Ray has 1" if self.short >= 0 else None


def job_of(make_job: JobMaker, **sections: Any) -> JobConfig:
    """Of 32 steps in 4 epochs, a point of each."""
    layers = [{"type": "dense", "units": 8}, {"type": "batch_norm"}, {"type": "dropout", "rate": 0.2}]
    base: dict[str, Any] = {
        "model": {"layers": [*layers, {"type": "dense", "units": 4}]},
        "train": {"optimizer": {"type": "adam", "learning_rate": 0.01}, "stop": {"monitor": "val_loss"}},
        "scaling": {"num_workers": 2},
        "tracking": {"every_steps": 1},
    }
    return make_job(**base | sections)


def check_points(result: Result) -> None:
    """One of each step, in their order."""
    for curve in CURVES:
        steps = range(1, 33) if curve.startswith("step/") else (8, 16, 24, 32)
        assert [step for step, _ in points(result, curve)] == list(steps), curve


def values(result: Result, curves: Sequence[str] = CURVES) -> dict[str, list[tuple[int, float]]]:
    return {curve: points(result, curve) for curve in curves}


@dataclass(frozen=True)
class Outcome:
    """What a run has come to: its bits and its points, also when the store that it was recorded in is gone."""

    parameters_sha256: str
    values: dict[str, list[tuple[int, float]]]


def outcome(result: Result, curves: Sequence[str] = CURVES) -> Outcome:
    return Outcome(result.parameters_sha256, values(result, curves))
