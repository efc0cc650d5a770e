"""What a finished job hands back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dist_bp.train.faults import Recovery


@dataclass(frozen=True)
class Result:
    """A finished run. `seconds` and `samples_per_second` count training only, without start-up and evaluation.

    `metrics` are those of the parameters that the run gives back: the best epoch's, or the last one's.
    `remark` is a line where their loss is worse than that of ignoring the inputs. `recoveries` are the faults that the
    run went on after.
    """

    run_id: str
    status: str
    reason: str
    epochs: int
    steps: int
    best_step: int | None
    seconds: float
    samples_per_second: float
    metrics: dict[str, float]
    remark: str | None
    checkpoint: str
    model: str
    model_uri: str | None
    num_workers: int
    parameters: int
    parameters_sha256: str
    run_url: str | None
    tracking_uri: str
    recoveries: Sequence[Recovery] = ()

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self) | {"metrics": finite(self.metrics)}

    @property
    def run_folder(self) -> Path:
        return Path(self.checkpoint).parent.parent


def finite(metrics: Mapping[str, float]) -> dict[str, float | None]:
    """The metrics as JSON can hold them: one that is not defined is None."""
    return {name: value if math.isfinite(value) else None for name, value in metrics.items()}
