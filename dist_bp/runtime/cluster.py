"""Connecting to Ray: a private one of this machine that ends with the command, or a cluster that is there."""

import logging
import os
import secrets
import socket
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from dist_bp.control_group import local_cpus
from dist_bp.errors import CapacityError, DistBpError, TrainingFailed
from dist_bp.imports import importing
from dist_bp.messages import first_line
from dist_bp.processes import patience
from dist_bp.runtime.calls import CALLER, RayLost
from dist_bp.runtime.lean_ray import LOOPBACK_ONLY, lean_ray
from dist_bp.runtime.placement import Bundle, Node
from dist_bp.runtime.ray_job import in_job
from dist_bp.runtime.warden import Warden
from dist_bp.runtime.watch import RayWatch

OBJECT_STORE_BYTES = 128 * 2**20
REACHABLE_SECONDS = 5.0
ANSWERS_SECONDS = 2.0
START_SECONDS = 120.0
ANSWER_SECONDS = 30.0
END_SECONDS = 15.0
LOOPBACK = "127.0.0.1"

T = TypeVar("T")


def this_machine() -> Node:
    """The only node of a local Ray."""
    return Node("", LOOPBACK, local_cpus())


def cluster_address(configured: str) -> str:
    """The address that `ray.address` stands for: within a Ray job, `local` is the cluster that runs the job."""
    return "auto" if configured == "local" and in_job() else configured


def check_address(address: str) -> None:
    """Raises CapacityError where nothing answers at the address of a cluster."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        return
    try:
        socket.create_connection((host, int(port)), REACHABLE_SECONDS).close()
    except OSError as error:
        raise CapacityError(
            f"ray.address: nothing answers at {address} ({error}): start a Ray there, or set ray.address: local"
        ) from error


def import_ray(own: bool) -> Any:
    """Imports Ray with the switches that it reads only once set: quiet, and one of our own behind a fresh token."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")  # Ray would print deaths of actors; we tell them ourselves
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if own and "ray" not in sys.modules:
        os.environ.update(LOOPBACK_ONLY)
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        if os.environ["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    with importing():
        import ray

    return ray


def _answers(node: dict[str, Any]) -> bool:
    """Whether the raylet of a node is there; Ray itself takes a quarter of a minute to find that one is gone."""
    try:
        socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), ANSWERS_SECONDS).close()
    except OSError:
        return False
    return True


class Cluster:
    """A connection to Ray; closing it ends a local one completely. A connection that is there is used and kept.

    Whatever calls Ray does so through `call`. Raises RayLost, there and here, where Ray does not answer, or one of its
    own processes on this machine has ended or been stopped.
    """

    def __init__(
        self, address: str, object_store_bytes: int, warden: Warden, start_seconds: float = START_SECONDS
    ) -> None:
        self._warden = warden
        self._watch: RayWatch | None = None
        CALLER.rest(patience(start_seconds))
        address = cluster_address(address)
        self._local = local = address == "local"
        self._ray = import_ray(local)
        self._owned = not self._ray.is_initialized()
        try:
            if self._owned:
                connect = self._new(object_store_bytes) if local else {"address": address}
                seconds = patience(start_seconds) if local else start_seconds
                self._call("it started", lambda: self._connect(connect), seconds, "ray.start_seconds")
            if self._watch is None:
                raylet = self._call("its folder was asked for", self._raylet, ANSWER_SECONDS)
                self._watch = RayWatch(raylet.parents[1], raylet)
        except BaseException as error:
            self.close()
            if isinstance(error, Exception) and not isinstance(error, DistBpError):  # Ray raises bare ones, too
                raise TrainingFailed(f"Ray at {address!r} did not start or answer: {first_line(error)}") from error
            raise

    def _new(self, object_store_bytes: int) -> dict[str, Any]:
        """How to start one of our own, in a folder that is watched from now on."""
        folder = self._warden.folder() / "ray"  # Ray opens the one that it is given to everybody
        self._watch = RayWatch(folder)
        return {
            "address": "local",
            "num_cpus": local_cpus(),
            "object_store_memory": max(object_store_bytes, OBJECT_STORE_BYTES),
            "include_dashboard": False,
            "_temp_dir": str(folder),
            "_node_ip_address": LOOPBACK,
        }

    def _connect(self, arguments: dict[str, Any]) -> None:
        # Of errors alone: the warning that SIGTERM is left to the main thread is what we want
        with lean_ray() if arguments["address"] == "local" else nullcontext():
            self._ray.init(logging_level=logging.ERROR, log_to_driver=False, **arguments)

    def _raylet(self) -> Path:
        """The socket of the raylet of this machine, in a folder of the one in which it works."""
        own = self._ray.get_runtime_context().get_node_id()
        (socket_path,) = (entry["RayletSocketName"] for entry in self._ray.nodes() if entry["NodeID"] == own)
        return Path(socket_path)

    @property
    def trouble(self) -> Future[str]:
        """Gets what is wrong with Ray once something is."""
        assert self._watch
        return self._watch.trouble

    def look(self) -> None:
        """Looks at Ray's own processes now."""
        assert self._watch
        self._watch.look()

    def call(
        self, doing: str, function: Callable[[], T], seconds: float | None = ANSWER_SECONDS, setting: str = ""
    ) -> T:
        """What a function that calls Ray returns or raises; `doing` says in a message what was going on, and `setting`
        which key of the configuration has the `seconds`.

        Without `seconds` it may take as long as Ray's own processes are well.
        """
        return self._call(doing, function, seconds, setting)

    def _call(self, doing: str, function: Callable[[], T], seconds: float | None, setting: str = "") -> T:
        return CALLER.call(doing, function, seconds, self._watch.trouble if self._watch else Future(), setting)

    def settled(self, pids: Iterable[int] = ()) -> None:
        """Every process that the run needs has been started; `pids` are those of this machine that Ray has started."""
        self._warden.also(pids)
        self._warden.settle()

    def spare(self, pids: Iterable[int]) -> None:
        """Those of `settled` that outlive the run: Ray ends them with the process that has started them."""
        self._warden.spare(pids)

    @property
    def own(self) -> bool:
        """Whether its processes are this one's."""
        return self._owned and self.local

    @property
    def local(self) -> bool:
        """Whether it is a private one of this machine."""
        return self._local

    @property
    def nodes(self) -> list[Node]:
        """The machines that are there, the driver's own first."""
        return self.call("its nodes were asked for", self._nodes)

    def _nodes(self) -> list[Node]:
        own = self._ray.get_runtime_context().get_node_id()
        alive = [entry for entry in self._ray.nodes() if entry["Alive"] and (entry["NodeID"] == own or _answers(entry))]
        nodes = [
            Node(entry["NodeID"], entry["NodeManagerAddress"], entry["Resources"].get("CPU", 0)) for entry in alive
        ]
        return sorted(nodes, key=lambda node: (node.id != own, node.id))

    def free_nodes(self) -> list[Node]:
        """The same, with the CPUs that nobody has reserved. It has no deadline: for a thread that nobody waits for."""
        from ray._private.state import available_resources_per_node
        from ray.exceptions import RayError

        try:
            free, nodes = available_resources_per_node(), self._nodes()
        except RayError as error:
            raise RayLost(f"Ray does not say which CPUs are free: {first_line(error)}") from error
        return [replace(node, cpus=free.get(node.id, {}).get("CPU", 0)) for node in nodes]

    @property
    def bundles(self) -> list[Bundle]:
        """What is reserved for this process: the bundles of its placement group, none outside of one."""
        return self.call("its placement group was asked for", self._bundles)

    def _bundles(self) -> list[Bundle]:
        from ray.util import get_current_placement_group, placement_group_table

        group = get_current_placement_group()
        if group is None:
            return []
        nodes = placement_group_table(group)["bundles_to_node_id"]
        cpus = [bundle.get("CPU", 0) for bundle in group.bundle_specs]
        return [Bundle(index, nodes[index], count) for index, count in enumerate(cpus)]

    def close(self) -> None:
        """Ends the connection, and what this process has started. Where Ray does not answer the warden ends it."""
        if self._watch:
            self._watch.look()
            self._watch.let_end()
        try:
            if self._owned and not CALLER.abandoned:
                self._end()
        finally:
            if self._watch:
                self._watch.close()

    def _end(self) -> None:
        if CALLER.busy or (self._watch is not None and self._watch.trouble.done()):
            CALLER.abandon()
            self._warden.stay()
            return
        try:
            self._call("it ended", self._ray.shutdown, patience(END_SECONDS))
        except RayLost as error:
            self._warden.stay(CALLER.late())
            if self._watch and not self._watch.trouble.done():
                self._watch.trouble.set_result(str(error))
