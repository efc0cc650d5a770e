"""What a comparison measures, what it sets side by side, and the goals."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from shutil import which
from typing import Any

from benchmarks.works import WORKS, Servers, Work

WORKERS = 2
REFERENCE = "dist_bp"
EVERY = ("dense", "images", "texts")
MALLOC = {
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31),
    "MALLOC_TOP_PAD_": str(2**27),
}
"""The allocator keeps what it was given: without it PyTorch's large buffers are mapped and faulted in at each step."""
OVER_SHARES = ("resnet",)
"""Works with batch normalization: over a process's share of the batch, and in one process over the whole of it."""


@dataclass(frozen=True)
class GroupSpec:
    """The processes that host a contender; `needs` are modules of the `bench` extra, `variables` environment."""

    factory: str
    size: int
    threads: int
    needs: tuple[str, ...] = ()
    arguments: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measure:
    """Samples per second of one contender.

    `members` of `group` do the steps by `method`, `fraction` being their part of the batch; `losses` is the method
    that returns the losses of steps, where it trains at all, and `contender` its name for `--only`. The measure is
    compared as `over` / this one, and `goals` has what that ratio must reach, by the work's key. It runs works of these
    `kinds` and `optimizers`, or only those of `works`; in those of `differs` it runs another algorithm. It needs
    `program` on the path, where it names one.
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
    kinds: tuple[str, ...] = ("dense",)
    optimizers: tuple[str, ...] = ("momentum", "adam")
    works: tuple[str, ...] = ()
    differs: tuple[str, ...] = ()
    program: str | None = None

    def runs(self, work: Work) -> bool:
        if self.works:
            return work.key in self.works
        return work.kind in self.kinds and work.optimizer in self.optimizers

    def same_algorithm(self, work: Work) -> bool:
        return self.losses is not None and work.key not in self.differs


def goals(*values: float | None) -> dict[str, float]:
    """In the order of the works; the last ones may have none."""
    return {key: value for key, value in zip(WORKS, values, strict=False) if value is not None}


def groups(servers: Servers, example: bool) -> dict[str, GroupSpec]:
    contenders = "benchmarks.contenders"
    return {
        "ray": GroupSpec(f"{contenders}.on_ray:OnRay", 1, 1, arguments={"servers": servers, "example": example}),
        "unsynchronised": GroupSpec(f"{contenders}.unsynchronised:Unsynchronised", WORKERS, 1),
        "products": GroupSpec(f"{contenders}.products:Products", WORKERS, 1),
        "ddp": GroupSpec(f"{contenders}.pytorch:PyTorch", WORKERS, 1, ("torch",), {"threads": 1}),
        "torch": GroupSpec(f"{contenders}.pytorch:PyTorch", 1, WORKERS, ("torch",), {"threads": WORKERS}),
        "ddp_malloc": GroupSpec(
            f"{contenders}.pytorch:PyTorch", WORKERS, 1, ("torch",), {"threads": 1, "meeting": "ddp_malloc"}, MALLOC
        ),
        "torch_malloc": GroupSpec(
            f"{contenders}.pytorch:PyTorch", 1, WORKERS, ("torch",), {"threads": WORKERS}, MALLOC
        ),
        "sklearn": GroupSpec(f"{contenders}.scikit_learn:ScikitLearn", 1, WORKERS, ("sklearn",)),
    }


DDP_GOALS = goals(16, 2.0, 1.35, 1.25, 1.2, 0.9, 1.6, 1.1, 2.0)
TORCH_GOALS = goals(2.5, 1.0, 1.1, 1.0, 1.0, None, 1.0, 1.0, 1.0)
SKLEARN_GOALS = goals(1.5, 1.3, 1.25, 1.4)
BOUND_GOALS = goals(0.5, 0.88, 0.93, 0.90)


def compiled(key: str, goals: dict[str, float]) -> Measure:
    """A contender in PyTorch whose network torch.compile has made C++ of."""
    title = "the same, compiled, fused optimizer"
    return Measure(
        f"{key}_compiled", title, key, key, "run_compiled", losses="run_compiled", goals=goals, program="g++"
    )


def variants(key: str, goals: dict[str, float], differs: tuple[str, ...] = ()) -> tuple[Measure, ...]:
    """A contender in PyTorch with raised thresholds of malloc; with its images channels last, too, or its texts padded
    instead of packed."""
    common: dict[str, Any] = {"goals": goals, "differs": differs}

    def variant(name: str, title: str, method: str, **more: Any) -> Measure:
        return Measure(f"{key}_{name}", title, key, f"{key}_malloc", method, losses=method, **common, **more)

    return (
        variant("malloc", "the same, malloc thresholds raised", "run", kinds=("images", "texts")),
        variant("channels_last", "the same, and channels last", "run_channels_last", kinds=("images",)),
        variant("padded", "the same, and texts padded", "run_padded", works=("lstm",)),
    )


MEASURES = (
    Measure(REFERENCE, "dist_bp, 2 workers", "dist_bp", "ray", losses="run", kinds=EVERY),
    Measure("ddp", "PyTorch DDP, gloo, 2 x 1 thread", "ddp", "ddp", losses="run", goals=DDP_GOALS, kinds=EVERY),
    Measure("ddp_fused", "the same, fused optimizer", "ddp", "ddp", "run_fused", losses="run_fused", goals=DDP_GOALS),
    compiled("ddp", DDP_GOALS),
    *variants("ddp", DDP_GOALS),
    Measure(
        "torch",
        "PyTorch, 1 process, 2 threads",
        "torch",
        "torch",
        losses="run",
        goals=TORCH_GOALS,
        kinds=EVERY,
        differs=OVER_SHARES,
    ),
    Measure(
        "torch_fused", "the same, fused optimizer", "torch", "torch", "run_fused", losses="run_fused", goals=TORCH_GOALS
    ),
    compiled("torch", TORCH_GOALS),
    *variants("torch", TORCH_GOALS, OVER_SHARES),
    Measure("sklearn", "scikit-learn, 2 threads", "sklearn", "sklearn", goals=SKLEARN_GOALS),
    Measure(
        "sklearn_batches",
        "the same, a call for each batch",
        "sklearn",
        "sklearn",
        "run_batches",
        losses="run_batches",
        goals=SKLEARN_GOALS,
        differs=("large-adam",),
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
        goals=BOUND_GOALS,
        kinds=EVERY,
    ),
    Measure("products", "matrix products, 2 processes", "gemms", "products"),
    Measure("alone", "1 worker alone", "bound", "unsynchronised", members=(0,), fraction=1 / WORKERS, kinds=EVERY),
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
INSTALL = 'install it with pip install -c constraints.txt -e ".[bench]"'


def runnable(measures: Sequence[Measure], specs: Mapping[str, GroupSpec]) -> list[Measure]:
    """Those that can be run here; says of which what is missing."""
    found, missing = [], {}
    for measure in measures:
        lacking = next((name for name in specs[measure.group].needs if find_spec(name) is None), None)
        if lacking:
            missing[measure.contender] = f"no module {lacking}; {INSTALL}"
        elif measure.program and which(measure.program) is None:
            missing[measure.key] = f"there is no {measure.program}"
        else:
            found.append(measure)
    for what, why in missing.items():
        print(f"{what} is left out: {why}", file=sys.stderr)
    return found
