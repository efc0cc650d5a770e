"""What the processes of a run are made from, wherever they live."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

from dist_bp.build import JobParts, build_batches, build_mode, build_rate
from dist_bp.config import JobConfig
from dist_bp.data import Prepared
from dist_bp.errors import ConfigError, TrainingFailed
from dist_bp.optim import Updater
from dist_bp.plugins import told
from dist_bp.ps.bringup import Crew
from dist_bp.ps.colocated import Colocated
from dist_bp.ps.compression import make_codec
from dist_bp.ps.doorbell import Peer
from dist_bp.ps.exchange import Exchange
from dist_bp.ps.keeper import Keeper
from dist_bp.ps.layout import CHUNK, ArenaLayout
from dist_bp.ps.member import Member, Network
from dist_bp.ps.modes import Mode
from dist_bp.ps.recipe import Contact, Rules, Task, followed
from dist_bp.ps.rounds import in_rounds
from dist_bp.ps.server import Server
from dist_bp.ps.states import bytes_of
from dist_bp.ps.worker import Worker
from dist_bp.spelling import counted

SMALL = 8 * CHUNK
"""Elements of a table up to which a step is faster with a whole gradient of it."""


@dataclass(frozen=True)
class RunPlan:
    """A run before any process exists: the configuration, the prepared data and the run's secret.

    `placement` are the shares of each node, unless told all on one, and `processes` the workers that it begins with,
    unless told one a share. Without `by_rows` gradients of tables are dense, as they are on several nodes. These
    exchange in `one_round` or in two, unless told in what is faster: with the same bits. Raises ConfigError where the
    optimizer is lazy and the nodes are several.
    """

    config: JobConfig
    prepared: Path
    total_steps: int
    secret: bytes
    placement: tuple[int, ...] = ()
    processes: tuple[int, ...] = ()
    by_rows: bool = True
    one_round: bool | None = None

    def __post_init__(self) -> None:
        if not self.placement:
            object.__setattr__(self, "placement", (shares_of(self.config),))
        if not self.processes:
            object.__setattr__(self, "processes", self.placement)
        if self.nodes > 1:
            check_not_lazy(self.config)

    @property
    def nodes(self) -> int:
        return len(self.placement)

    @property
    def servers(self) -> int:
        """Of each node, in processes of their own."""
        return servers_of(self.config)

    @property
    def lanes(self) -> int:
        """How many updaters of each node have counterparts on the others."""
        return (self.servers or min(self.processes)) if self.nodes > 1 else 0

    def shares(self, node: int) -> range:
        """Those of a node."""
        first = sum(self.placement[:node])
        return range(first, first + self.placement[node])

    def crews(self, hosts: Sequence[str]) -> list[Crew]:
        """Who begins to work on each node, of these network addresses."""
        crews = []
        for node, host in enumerate(hosts):
            ranks = self.shares(node)[: self.processes[node]]
            workers = tuple(Peer("worker", rank) for rank in ranks)
            servers = tuple(Peer("server", node * self.servers + index) for index in range(self.servers))
            crews.append(Crew(Peer("keeper", node), workers, servers, host))
        return crews

    def node_of(self, peer: Peer) -> int:
        """The node that a process is on."""
        if peer.role == "worker":
            return next(node for node in range(self.nodes) if peer.rank in self.shares(node))
        return peer.rank // self.servers if peer.role == "server" else peer.rank

    @property
    def mode(self) -> Mode:
        return build_mode(self.config)

    @property
    def timeout(self) -> float:
        return self.config.parameter_server.timeout_seconds

    @property
    def turns(self) -> int:
        """How many gradients a worker computes, at most, one after the other, for an update: of each share that it has,
        and each step of a round of several."""
        most = max(-(-shares // workers) for shares, workers in zip(self.placement, self.processes, strict=True))
        return self.mode.steps * most

    @property
    def patience(self) -> float:
        """Seconds that an update may take: as long as each of its turns may take alone."""
        return self.timeout * self.turns

    @property
    def hang_seconds(self) -> float:
        """The silence after which a worker is taken for dead; on several nodes, where that ends the run, as any other
        process."""
        return (self.nodes == 1 and self.config.failure.hang_seconds) or self.timeout


def make_process(plan: RunPlan, peer: Peer) -> Keeper | Member:
    """What a process of the run consists of."""
    config, node = plan.config, plan.node_of(peer)
    parts = JobParts(config, Prepared.open(plan.prepared, checked=True))
    rules = Rules(parts.updater, build_rate(config, plan.total_steps))
    layout = replace(arena_layout(parts, plan.placement, node, plan.by_rows, plan.one_round), lanes=plan.lanes)
    contact = Contact(plan.secret, plan.timeout)
    if peer.role == "keeper":
        return Keeper(layout, contact)
    if peer.role == "server":
        index = peer.rank % plan.servers
        return Server(index, layout, contact, rules, parts.model.statistic_momentum, _network(plan, layout, index))
    task, place = _task(plan, parts), peer.rank - layout.own_shares.start
    # Longer than those wait who exchange, so that they are the first to tell which node is silent, and servers of their
    # own which worker.
    patience = 2 * plan.patience if plan.nodes > 1 else None
    if plan.servers:
        return Worker(peer.rank, layout, replace(contact, timeout=patience or 2 * plan.timeout), task, rules)
    contact = replace(contact, timeout=plan.hang_seconds, patience=patience)
    return Colocated(peer.rank, layout, contact, task, rules, _network(plan, layout, place))


def _network(plan: RunPlan, layout: ArenaLayout, lane: int) -> Network | None:
    """How an updater reaches those of other nodes; None without any, or where not all nodes have one of its place."""
    if plan.nodes == 1 or lane >= layout.lanes:
        return None
    settings = plan.config.parameter_server
    exchange = Exchange(layout.node, plan.nodes, plan.secret, plan.patience, settings.encrypt)
    return Network(exchange, lane, make_codec(settings.compression, settings.top_k_fraction or 1.0))


def _task(plan: RunPlan, parts: JobParts) -> Task:
    config, prepared = plan.config, parts.prepared
    samples = {name: counted(parts.model, parts.loss, prepared.split(name)) for name in prepared.splits}
    batches = build_batches(config, samples["train"], sum(plan.placement))
    return Task(parts.model, parts.loss, parts.metrics, samples, batches, config.seed)


def call(process: Keeper | Member, method: str, arguments: tuple[Any, ...]) -> Any:
    """Calls a process. Layers are perhaps the user's: one that calls sys.exit must not end in silence."""
    try:
        return getattr(process, method)(*arguments)
    except SystemExit as error:
        raise TrainingFailed(f"code that the job runs ended it: {told(error)}") from error


def shares_of(config: JobConfig) -> int:
    """Into how many shares a global batch is cut."""
    return max(config.scaling.num_workers, 1)


def servers_of(config: JobConfig) -> int:
    """How many processes of its own a node has for servers: none where they can live in those of workers."""
    servers = config.scaling.servers_per_node
    if servers != "auto":
        return int(servers)
    return 0 if build_mode(config).exact else 1


def is_lazy(config: JobConfig) -> bool:
    return bool(getattr(config.train.optimizer, "lazy", False))


def check_not_lazy(config: JobConfig) -> None:
    """Raises ConfigError where the optimizer is lazy, which needs gradients by rows: nodes exchange whole ones."""
    if is_lazy(config):
        raise ConfigError(
            "train.optimizer.lazy is for workers of one node: remove it, or put all on one (scaling.placement=packed "
            "where a node has the CPUs, or a lower scaling.num_workers)"
        )


def arena_layout(
    parts: JobParts,
    placement: tuple[int, ...] = (),
    node: int = 0,
    by_rows: bool = True,
    one_round: bool | None = None,
) -> ArenaLayout:
    """The arena of a node; unless told where the shares are, all are on one.

    Gradients of tables may come `by_rows`: they do where that saves something, or the rule has to know the rows. Nodes
    may exchange in `one_round`: unless told, they do where that is faster.
    """
    config, model, updater = parts.config, parts.model, parts.updater
    tables = [table for table in model.tables if updater.rule.lazy or table.stop - table.start > SMALL]
    layout = ArenaLayout(
        parameters=model.layout.size,
        statistics=model.statistics_layout.size,
        optimizer=state_names(config, updater),
        placement=placement or (shares_of(config),),
        servers=servers_of(config),
        dtype=config.model.dtype,
        mode=build_mode(config),
        node=node,
        tables=tuple(tables) if by_rows else (),
        compressed=len(placement) > 1 and config.parameter_server.compression != "none",
        states=bytes_of(followed(parts.metrics), math.prod(model.output.shape[-1:])),
    )
    return in_rounds(layout, one_round)


def state_names(config: JobConfig, updater: Updater) -> tuple[str, ...]:
    """The optimizer's state arrays, with those that the mode adds."""
    return (*updater.rule.slots, *build_mode(config).outer)


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
