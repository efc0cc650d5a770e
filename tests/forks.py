"""Command lines in processes of their own that start at once: each is a fork of a process that has all large libraries
imported already but Ray, which reads its switches as it is imported.
"""

import atexit
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from select import select
from threading import Thread
from typing import Any, Self

from dist_bp.imports import importing

ROOT = Path(__file__).parent.parent
LARGEST_REQUEST = 2**20
LIBRARIES = (
    *("dist_bp.cli.main", "dist_bp.train.job", "dist_bp.runtime.threads"),
    *("dist_bp.track.mlflow_open", "dist_bp.track.figures"),
    *("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store", "sklearn.datasets"),
)
"""Our own first: they have the others say nothing."""
SWITCHES: dict[str, str] = {}
"""Variables of the environment that an import sets."""


class Forked:
    """`dist-bp` with these arguments, in the folder in which it is called, which finds the layers of the tests.

    It has what tests need of a Popen.
    """

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        request = {
            "arguments": arguments,
            "environment": {**(os.environ if env is None else env), "PYTHONPATH": str(ROOT)},
            "folder": str(cwd or Path.cwd()),
        }
        (out, out_end), (err, err_end), (self._told, told_end) = pipes = [os.pipe() for _ in range(3)]
        socket.send_fds(_server(), [json.dumps(request).encode()], [out_end, err_end, told_end])
        for _, end in pipes:
            os.close(end)
        self.stdout, self.stderr = open(out, encoding="utf-8"), open(err, encoding="utf-8")  # noqa: SIM115
        self.pid = int(os.read(self._told, 20))
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and select([self._told], [], [], 0)[0]:
            self.returncode = int(os.read(self._told, 20))
        return self.returncode

    def wait(self, timeout: float) -> int:
        """The exit code, negative for a signal. Raises TimeoutExpired."""
        if self.returncode is None and not select([self._told], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("dist-bp", timeout)
        code = self.poll()
        assert code is not None
        return code

    def communicate(self, timeout: float) -> tuple[str, str]:
        """What it says from now on, once it has ended. Raises TimeoutExpired."""
        deadline, said = time.monotonic() + timeout, {}
        readers = [Thread(target=_read, args=[stream, said], daemon=True) for stream in (self.stdout, self.stderr)]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join(max(0.0, deadline - time.monotonic()))
        if any(reader.is_alive() for reader in readers):
            raise subprocess.TimeoutExpired("dist-bp", timeout)
        self.wait(max(0.0, deadline - time.monotonic()))
        return said[self.stdout], said[self.stderr]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Kills it where it has not come to its end."""
        self.kill()
        for stream in (self.stdout, self.stderr):
            stream.close()
        self.wait(60)
        os.close(self._told)


def _read(stream: Any, said: dict[Any, str]) -> None:
    said[stream] = stream.read()


@cache
def _server() -> socket.socket:
    """The connection to the process that forks, which ends with this one."""
    mine, others = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with others:
        server = subprocess.Popen(
            [sys.executable, "-m", __name__, str(others.fileno())],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            pass_fds=[others.fileno()],
        )

    def end() -> None:
        mine.close()
        server.wait(10)

    atexit.register(end)
    return mine


def serve(requests: socket.socket) -> None:
    """Forks for each request; returns in the process that is to do what it asks for, and only there."""
    while True:
        request, ends, _, _ = socket.recv_fds(requests, LARGEST_REQUEST, 3)
        if not request:
            sys.exit()
        if (between := os.fork()) == 0:
            requests.close()
            if stands_by(ends[:2], ends[2]):
                become(json.loads(request), ends)
                return
        os.waitpid(between, 0)
        for end in ends:
            os.close(end)


def stands_by(streams: Sequence[int], told: int) -> bool:
    """Whether this is the new process. The other one, which is nobody's child soon, tells its id, and how it ends."""
    if os.fork():
        os._exit(0)  # nobody needs to wait for whoever stands by
    if (command := os.fork()) == 0:
        return True
    for end in streams:  # whose end is the command's
        os.close(end)
    os.write(told, f"{command}\n".encode())
    code = os.waitstatus_to_exitcode(os.waitpid(command, 0)[1])
    os.write(told, f"{code}\n".encode())
    os._exit(0)


def become(request: Mapping[str, Any], ends: Sequence[int]) -> None:
    """Makes of this process one that somebody has started with a command line."""
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(SWITCHES | request["environment"])
    for stream, end in enumerate(ends[:2], start=1):
        os.dup2(end, stream)
    for end in ends:
        os.close(end)
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["dist-bp", *request["arguments"]]


if __name__ == "__main__":
    inherited = {*os.environ}
    with importing():
        for library in LIBRARIES:
            import_module(library)
    SWITCHES |= {name: value for name, value in os.environ.items() if name not in inherited}
    gc.freeze()  # a look for garbage would copy all of it
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        serve(asked)
    sys.modules["dist_bp.cli.main"].main()
