"""Connecting to Ray: a private one of this machine that ends with the command, or a cluster that is there."""

import logging
import os
import secrets
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from dist_bp.errors import CapacityError, DistBpError, Interrupted, TrainingFailed
from dist_bp.messages import first_line
from dist_bp.runtime.control_group import cpu_limit
from dist_bp.runtime.lean_ray import lean_ray
from dist_bp.runtime.placement import Bundle, Node
from dist_bp.runtime.ray_job import in_job
from dist_bp.runtime.warden import Warden

OBJECT_STORE_BYTES = 128 * 2**20
REACHABLE_SECONDS = 5.0
LOOPBACK = "127.0.0.1"


def local_cpus() -> int:
    """Processors that this process may use, of those that it sees and whose time a container's limit gives it."""
    return max(int(min(len(os.sched_getaffinity(0)), cpu_limit())), 1)


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
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        if os.environ["RAY_AUTH_MODE"] == "token" and "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    return ray


class Cluster:
    """A connection to Ray; closing it ends a local one completely. A connection that is there is used and kept."""

    def __init__(self, address: str, object_store_bytes: int, warden: Warden) -> None:
        self._warden = warden
        self._folder: Path | None = None
        address = cluster_address(address)
        local = address == "local"
        self._ray = import_ray(local)
        self._owned = not self._ray.is_initialized()
        if not self._owned:
            return
        try:
            if local:
                self._start_local(object_store_bytes)
            else:
                self._ray.init(address=address, logging_level=logging.WARNING, log_to_driver=False)
        except BaseException as error:
            self.close()
            if isinstance(error, SystemExit):  # Ray's handler of SIGTERM
                raise Interrupted("SIGTERM before training began") from error
            if isinstance(error, Exception) and not isinstance(error, DistBpError):  # Ray raises bare ones, too
                raise TrainingFailed(f"Ray at {address!r} did not start or answer: {first_line(error)}") from error
            raise

    def _start_local(self, object_store_bytes: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dist_bp-"))
        self._warden.guard(self._folder)
        with lean_ray():
            self._ray.init(
                address="local",
                num_cpus=local_cpus(),
                object_store_memory=max(object_store_bytes, OBJECT_STORE_BYTES),
                include_dashboard=False,
                logging_level=logging.WARNING,
                log_to_driver=False,
                _temp_dir=str(self._folder),
                _node_ip_address=LOOPBACK,
            )

    def settled(self) -> None:
        """Every process that the run needs has been started."""
        self._warden.settle()

    @property
    def nodes(self) -> list[Node]:
        """The machines that are there, the driver's own first."""
        own = self._ray.get_runtime_context().get_node_id()
        alive = [entry for entry in self._ray.nodes() if entry["Alive"]]
        nodes = [
            Node(entry["NodeID"], entry["NodeManagerAddress"], entry["Resources"].get("CPU", 0)) for entry in alive
        ]
        return sorted(nodes, key=lambda node: (node.id != own, node.id))

    @property
    def bundles(self) -> list[Bundle]:
        """What is reserved for this process: the bundles of its placement group, none outside of one."""
        from ray.util import get_current_placement_group, placement_group_table

        group = get_current_placement_group()
        if group is None:
            return []
        nodes = placement_group_table(group)["bundles_to_node_id"]
        cpus = [bundle.get("CPU", 0) for bundle in group.bundle_specs]
        return [Bundle(index, nodes[index], count) for index, count in enumerate(cpus)]

    def close(self) -> None:
        if not self._owned:
            return
        try:
            self._ray.shutdown()
        finally:
            if self._folder:
                shutil.rmtree(self._folder, ignore_errors=True)
