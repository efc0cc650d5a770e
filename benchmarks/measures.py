"""What a comparison measures, what it sets side by side, and the goals."""

from dataclasses import dataclass, field
from typing import Any

from benchmarks.works import Work

WORKERS = 2
REFERENCE = "dist_bp"


@dataclass(frozen=True)
class GroupSpec:
    """The processes that host a contender; `needs` are modules of the `bench` extra."""

    factory: str
    size: int
    threads: int
    needs: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """Samples per second of one contender.

    `members` of `group` do the steps by `method`, `fraction` being their part of the batch; `losses` is the method
    that returns the losses of steps, where it trains at all, and `contender` its name for `--only`. The measure is
    compared as `over` / this one, and `goals` has what that ratio must reach, by the work's key.
    """

    key: str
    title: str
    contender: str
    group: str
    method: str = "run"
    members: tuple[int, ...] | None = None
    fraction: float = 1.0
    losses: str | None = None
    over: str = REFERENCE
    goals: dict[str, float] = field(default_factory=dict)
    optimizers: tuple[str, ...] = ("momentum", "adam")
    differs: tuple[str, ...] = ()

    def runs(self, work: Work) -> bool:
        return work.optimizer in self.optimizers

    def same_algorithm(self, work: Work) -> bool:
        return self.losses is not None and work.optimizer not in self.differs


def goals(*values: float | None) -> dict[str, float]:
    """In the order of the works."""
    keys = ("small", "medium", "large", "large-adam")
    return {key: value for key, value in zip(keys, values, strict=True) if value is not None}


def groups(servers: int, example: bool) -> dict[str, GroupSpec]:
    contenders = "benchmarks.contenders"
    return {
        "ray": GroupSpec(f"{contenders}.on_ray:OnRay", 1, 1, arguments={"servers": servers, "example": example}),
        "unsynchronised": GroupSpec(f"{contenders}.unsynchronised:Unsynchronised", WORKERS, 1),
        "products": GroupSpec(f"{contenders}.products:Products", WORKERS, 1),
        "ddp": GroupSpec(f"{contenders}.pytorch:PyTorch", WORKERS, 1, ("torch",), {"threads": 1}),
        "torch": GroupSpec(f"{contenders}.pytorch:PyTorch", 1, WORKERS, ("torch",), {"threads": WORKERS}),
        "sklearn": GroupSpec(f"{contenders}.scikit_learn:ScikitLearn", 1, WORKERS, ("sklearn",)),
    }


DDP_GOALS = goals(7, 2.3, 1.5, 2.0)
TORCH_GOALS = goals(1.3, 1.0, 1.0, 0.95)
SKLEARN_GOALS = goals(2, 1.8, 1.6, 1.8)

MEASURES = (
    Measure(REFERENCE, "dist_bp, 2 workers", "dist_bp", "ray", losses="run"),
    Measure("ddp", "PyTorch DDP, gloo, 2 x 1 thread", "ddp", "ddp", losses="run", goals=DDP_GOALS),
    Measure("ddp_fused", "the same, fused optimizer", "ddp", "ddp", "run_fused", losses="run_fused", goals=DDP_GOALS),
    Measure("torch", "PyTorch, 1 process, 2 threads", "torch", "torch", losses="run", goals=TORCH_GOALS),
    Measure(
        "torch_fused", "the same, fused optimizer", "torch", "torch", "run_fused", losses="run_fused", goals=TORCH_GOALS
    ),
    Measure("sklearn", "scikit-learn, 2 threads", "sklearn", "sklearn", goals=SKLEARN_GOALS),
    Measure(
        "sklearn_batches",
        "the same, a call for each batch",
        "sklearn",
        "sklearn",
        "run_batches",
        losses="run_batches",
        goals=SKLEARN_GOALS,
        differs=("adam",),
    ),
    Measure(
        "example",
        "parameter server of Ray's documentation",
        "ray",
        "ray",
        "run_example",
        losses="run_example",
        goals=goals(12, 5, 4, None),
        optimizers=("momentum",),
    ),
    Measure(
        "unsynchronised",
        "2 workers, no synchronisation",
        "bound",
        "unsynchronised",
        goals=goals(None, 0.85, 0.88, 0.80),
    ),
    Measure("products", "matrix products, 2 processes", "gemms", "products"),
    Measure("alone", "1 worker alone", "bound", "unsynchronised", members=(0,), fraction=1 / WORKERS),
    Measure(
        "products_alone",
        "matrix products, 1 process alone",
        "gemms",
        "products",
        members=(0,),
        fraction=1 / WORKERS,
        over="alone",
        goals=goals(0.85, 0.85, 0.85, 0.85),
    ),
)
CONTENDERS = tuple(dict.fromkeys(measure.contender for measure in MEASURES))
