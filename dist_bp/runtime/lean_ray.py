"""A private Ray without what only people look at: dashboard, its agent, log collector, autoscaler. It starts in half
the time.

Ray has no public switches for them, so while it starts its class of a node is replaced by one that leaves them out.
"""

import os
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Ray's own switch for desktop systems: without it Ray replaces 127.0.0.1 by the machine's address, and most of its
ports listen on all interfaces."""
REGISTER_SECONDS = 10.0
LOOK_SECONDS = 0.02
AHEAD = {
    "RAY_preload_python_modules": "dist_bp.runtime.hosts",
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
}
"""Of the processes that Ray starts ahead: they import what a server or worker needs, and wait for it. Ray would end
them after a second once a trial of a sweep has reserved its CPUs."""
REPORTS = {"RAY_max_direct_call_object_size": str(4 * 2**20)}
"""What a worker says of a lease of thousands of steps is part of its answer; Ray passes what is larger than 100 KB on
through its store, which takes longer."""
WORKERS = {
    # Servers and workers then set what they may use; a pool that is made larger than that costs memory.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""Environment of Ray's processes."""
AGENT = "--dashboard_agent_command="
AGENT_PORTS = ("METRICS_AGENT_PORT_NAME", "METRICS_EXPORT_PORT_NAME", "DASHBOARD_AGENT_LISTEN_PORT_NAME")
NO_PORT = -1
WAITS = "sh -c 'read nothing'"
"""A process that does nothing and ends with the raylet, which writes to it: in place of the dashboard's agent, without
which no raylet starts."""


@contextmanager
def lean_ray() -> Iterator[None]:
    """A node that Ray starts meanwhile consists of the scheduler, its store, its workers and what sets those up."""
    from ray._private import node, ray_constants, services

    raylet = import_module("ray._raylet")

    class LeanNode(node.Node):  # type: ignore[misc]
        """Starts what training needs, and notices within milliseconds that it is there; Ray looks once a second."""

        def start_monitor(self, *_: Any, **__: Any) -> None:
            """No autoscaler."""

        def start_log_monitor(self, *_: Any, **__: Any) -> None:
            """Nobody reads the logs of a private Ray while it runs."""

        def start_api_server(self, *_: Any, **__: Any) -> None:
            """No dashboard."""

        def start_raylet(self, *arguments: Any, **options: Any) -> None:
            folder = self.get_session_dir_path()
            for name in AGENT_PORTS:  # the raylet waits until it is told of them
                raylet.persist_port(folder, self.node_id, getattr(raylet, name), NO_PORT)
            start = partial(start_without_agent, services.start_ray_process, folder)
            with replaced(services, {"start_ray_process": start}):
                super().start_raylet(*arguments, **options)
            deadline = time.monotonic() + REGISTER_SECONDS
            while not self.get_gcs_client().get_all_node_info(timeout=REGISTER_SECONDS):
                if time.monotonic() > deadline or self.dead_processes():
                    return  # Ray tells what is wrong
                time.sleep(LOOK_SECONDS)

    switch = {"ENABLE_RAY_CLUSTER": False}  # Ray reads its variable once, and somebody may have imported it before
    with (
        replaced(node, {"Node": LeanNode}),
        replaced(ray_constants, switch),
        environment(AHEAD | REPORTS | WORKERS | LOOPBACK_ONLY),
    ):
        yield


def start_without_agent(
    start: Callable[..., Any], folder: str, command: Sequence[str], *rest: Any, **options: Any
) -> Any:
    """Starts one of Ray's processes, a raylet with another agent, in whose command line is the folder of this Ray."""
    own = f"{AGENT}{WAITS} {shlex.quote(folder)}"
    return start([own if part.startswith(AGENT) else part for part in command], *rest, **options)


@contextmanager
def replaced(module: Any, values: Mapping[str, Any]) -> Iterator[None]:
    """Attributes of a module that have other values meanwhile."""
    before = {name: getattr(module, name) for name in values}
    for name, value in values.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Variables that processes started meanwhile inherit."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
