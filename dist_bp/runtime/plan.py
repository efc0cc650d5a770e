"""What a server or worker is made from, in whatever process it lives."""

from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_info, threadpool_limits

from dist_bp.build import (
    build_batches,
    build_loss,
    build_metrics,
    build_mode,
    build_model,
    build_rate,
    build_updater,
    class_counts,
)
from dist_bp.config import JobConfig
from dist_bp.data import Prepared
from dist_bp.errors import TrainingFailed
from dist_bp.nn import Model
from dist_bp.optim import Updater
from dist_bp.ps.layout import OUTER, ArenaLayout
from dist_bp.ps.modes import Mode
from dist_bp.ps.server import Server
from dist_bp.ps.worker import Worker


@dataclass(frozen=True)
class RunPlan:
    """A run before any process exists: the configuration, the prepared data and the run's secret."""

    config: JobConfig
    prepared: Path
    total_steps: int
    secret: bytes

    @property
    def workers(self) -> int:
        return max(self.config.scaling.num_workers, 1)

    @property
    def servers(self) -> int:
        return self.config.scaling.servers_per_node

    @property
    def placement(self) -> tuple[int, ...]:
        """Workers of each node."""
        return (self.workers,)

    @property
    def nodes(self) -> int:
        return len(self.placement)

    def node_of(self, rank: int) -> int:
        """The node of a worker."""
        return next(node for node in range(self.nodes) if rank < sum(self.placement[: node + 1]))

    @property
    def mode(self) -> Mode:
        return build_mode(self.config)

    @property
    def timeout(self) -> float:
        return self.config.parameter_server.timeout_seconds


def make_server(plan: RunPlan, index: int) -> Server:
    prepared = Prepared.open(plan.prepared)
    model = build_model(plan.config, prepared.schema)
    updater = build_updater(plan.config, model)
    return Server(
        index=index,
        layout=arena_layout(plan.config, model, updater),
        updater=updater,
        rate=build_rate(plan.config, plan.total_steps),
        statistic_momentum=model.statistic_momentum,
        secret=plan.secret,
        timeout=plan.timeout,
    )


def make_worker(plan: RunPlan, rank: int) -> Worker:
    prepared = Prepared.open(plan.prepared)
    config = plan.config
    model = build_model(config, prepared.schema)
    updater = build_updater(config, model)
    return Worker(
        rank=rank,
        layout=arena_layout(config, model, updater),
        model=model,
        loss=build_loss(config, class_counts(prepared)),
        metrics=build_metrics(config, prepared.schema),
        data={name: prepared.split(name) for name in prepared.splits},
        batches=build_batches(config, prepared.splits["train"], plan.workers, rank),
        seed=config.seed,
        secret=plan.secret,
        # Longer than the servers wait, so that they are the first to tell which worker is silent.
        timeout=2 * plan.timeout,
        updater=updater,
        rate=build_rate(config, plan.total_steps),
    )


def arena_layout(config: JobConfig, model: Model, updater: Updater) -> ArenaLayout:
    return ArenaLayout(
        parameters=model.layout.size,
        statistics=model.statistics.size,
        optimizer=state_names(config, updater),
        placement=(max(config.scaling.num_workers, 1),),
        servers=config.scaling.servers_per_node,
        dtype=config.model.dtype,
        mode=build_mode(config),
    )


def state_names(config: JobConfig, updater: Updater) -> tuple[str, ...]:
    """The optimizer's state arrays, with that of the outer momentum where there is one."""
    return (*updater.rule.slots, OUTER) if build_mode(config).outer_momentum else updater.rule.slots


def limit_threads(count: int) -> threadpool_limits:
    """Gives BLAS `count` threads in this process, checks that it took them, and returns what can undo it."""
    limits = threadpool_limits(count, user_api="blas")
    taken = {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}
    if taken - {count}:
        raise TrainingFailed(f"BLAS runs {max(taken)} threads where scaling.cpus_per_worker asks for {count}")
    return limits
