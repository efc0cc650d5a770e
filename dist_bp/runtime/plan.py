"""What a server or worker is made from, in whatever process it lives."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

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
from dist_bp.errors import ConfigError, TrainingFailed
from dist_bp.nn import Model
from dist_bp.optim import Updater
from dist_bp.plugins import told
from dist_bp.ps.compression import make_codec
from dist_bp.ps.exchange import Exchange
from dist_bp.ps.layout import CHUNK, OUTER, ArenaLayout
from dist_bp.ps.modes import Mode
from dist_bp.ps.server import Server
from dist_bp.ps.worker import Worker
from dist_bp.spelling import counted

SMALL = 8 * CHUNK
"""Elements of a table up to which a step is faster with a whole gradient of it."""


@dataclass(frozen=True)
class RunPlan:
    """A run before any process exists: the configuration, the prepared data and the run's secret.

    `placement` are the workers of each node; unless told, all are on one. Without `by_rows` gradients of tables are
    dense, as they are on several nodes. Raises ConfigError where the optimizer is lazy and the nodes are several.
    """

    config: JobConfig
    prepared: Path
    total_steps: int
    secret: bytes
    placement: tuple[int, ...] = ()
    by_rows: bool = True

    def __post_init__(self) -> None:
        if not self.placement:
            object.__setattr__(self, "placement", (self.workers,))
        if self.nodes > 1:
            check_not_lazy(self.config)

    @property
    def workers(self) -> int:
        return max(self.config.scaling.num_workers, 1)

    @property
    def servers(self) -> int:
        return self.config.scaling.servers_per_node

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


def make_server(plan: RunPlan, rank: int) -> Server:
    """Server `rank` of the run, which is server `rank % servers` of its node."""
    node, index = divmod(rank, plan.servers)
    settings = plan.config.parameter_server
    across = plan.nodes > 1
    prepared = Prepared.open(plan.prepared, checked=True)
    model = build_model(plan.config, prepared.schema)
    updater = build_updater(plan.config, model)
    return Server(
        index=index,
        layout=arena_layout(plan.config, model, updater, plan.placement, node, plan.by_rows),
        updater=updater,
        rate=build_rate(plan.config, plan.total_steps),
        statistic_momentum=model.statistic_momentum,
        secret=plan.secret,
        timeout=plan.timeout,
        exchange=Exchange(node, plan.nodes, plan.secret, plan.timeout, settings.encrypt) if across else None,
        codec=make_codec(settings.compression, settings.top_k_fraction or 1.0) if across else None,
    )


def make_worker(plan: RunPlan, rank: int) -> Worker:
    prepared = Prepared.open(plan.prepared, checked=True)
    config = plan.config
    model = build_model(config, prepared.schema)
    updater = build_updater(config, model)
    loss = build_loss(config, class_counts(prepared))
    samples = {name: counted(model, loss, prepared.split(name)) for name in prepared.splits}
    return Worker(
        rank=rank,
        layout=arena_layout(config, model, updater, plan.placement, plan.node_of(rank), plan.by_rows),
        model=model,
        loss=loss,
        metrics=build_metrics(config, prepared.pipeline.targets),
        data=samples,
        batches=build_batches(config, samples["train"], plan.workers, rank),
        seed=config.seed,
        secret=plan.secret,
        # Longer than the servers wait, so that they are the first to tell which worker is silent.
        timeout=2 * plan.timeout,
        updater=updater,
        rate=build_rate(config, plan.total_steps),
    )


def call(member: Server | Worker, method: str, arguments: tuple[Any, ...]) -> Any:
    """Calls a server or worker. Layers are perhaps the user's: one that calls sys.exit must not end in silence."""
    try:
        return getattr(member, method)(*arguments)
    except SystemExit as error:
        raise TrainingFailed(f"code that the job runs ended it: {told(error)}") from error


def check_not_lazy(config: JobConfig) -> None:
    """Raises ConfigError where the optimizer is lazy, which needs gradients by rows: nodes exchange whole ones."""
    if getattr(config.train.optimizer, "lazy", False):
        raise ConfigError(
            "train.optimizer.lazy is for workers of one node: remove it, or put all on one (scaling.placement=packed "
            "where a node has the CPUs, or a lower scaling.num_workers)"
        )


def arena_layout(
    config: JobConfig,
    model: Model,
    updater: Updater,
    placement: tuple[int, ...] = (),
    node: int = 0,
    by_rows: bool = True,
) -> ArenaLayout:
    """The arena of a node; unless told where the workers are, all are on one.

    Gradients of tables may come `by_rows`: they do where that saves something, or the rule has to know the rows.
    """
    tables = [table for table in model.tables if updater.rule.lazy or table.stop - table.start > SMALL]
    return ArenaLayout(
        parameters=model.layout.size,
        statistics=model.statistics_layout.size,
        optimizer=state_names(config, updater),
        placement=placement or (max(config.scaling.num_workers, 1),),
        servers=config.scaling.servers_per_node,
        dtype=config.model.dtype,
        mode=build_mode(config),
        node=node,
        tables=tuple(tables) if by_rows else (),
    )


def state_names(config: JobConfig, updater: Updater) -> tuple[str, ...]:
    """The optimizer's state arrays, with that of the outer momentum where there is one."""
    return (*updater.rule.slots, OUTER) if build_mode(config).outer_momentum else updater.rule.slots


def limit_threads(count: int) -> Any:
    """Gives BLAS `count` threads in this process, checks that it took them, and returns what can undo it.

    Another BLAS that another thread imports meanwhile is not what trains.
    """
    loaded = ThreadpoolController()
    limits = loaded.limit(limits=count, user_api="blas")
    taken = {pool["num_threads"] for pool in loaded.info() if pool["user_api"] == "blas"}
    if taken - {count}:
        raise TrainingFailed(f"BLAS runs {max(taken)} threads where scaling.cpus_per_worker asks for {count}")
    return limits
