"""Two hosts out of one: network namespaces joined by a pair of virtual network cards. Needs root."""

import ctypes
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import IO, Self

from benchmarks.processes import BenchmarkError

SETTLE_SECONDS = 30.0
CARD = "veth0"
ADDRESSES = ("10.231.0.1", "10.231.0.2")
CLONE_NEWNET = 0x40000000


class Hosts:
    """The namespaces `names`, each with its address; leaving ends every process within and takes them down."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise BenchmarkError("network namespaces need root: run this benchmark as root")
        self.names = tuple(f"dist-bp-{os.getpid()}-{end}" for end in "ab")

    def __enter__(self) -> Self:
        try:
            for name in self.names:
                _ip("netns", "add", name)
            first, second = self.names
            _ip("link", "add", CARD, "netns", first, "type", "veth", "peer", "name", CARD, "netns", second)
            for name, address in zip(self.names, ADDRESSES, strict=True):
                _ip("-n", name, "address", "add", f"{address}/24", "dev", CARD)
                for card in ("lo", CARD):
                    _ip("-n", name, "link", "set", card, "up")
                _ip("-n", name, "route", "add", "default", "dev", CARD)  # by which Ray finds its own address
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, host: int, command: list[str], log: IO[bytes], environment: dict[str, str]) -> None:
        """Starts a command on a host, as a process that ends with the hosts."""
        inside = ["ip", "netns", "exec", self.names[host], *command]
        subprocess.Popen(inside, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=os.environ | environment)

    def run(self, host: int, command: list[str]) -> bool:
        """Whether a command succeeds on a host."""
        inside = ["ip", "netns", "exec", self.names[host], *command]
        return subprocess.run(inside, capture_output=True, timeout=SETTLE_SECONDS, check=False).returncode == 0

    def close(self) -> None:
        for name in self.names:
            self._end_processes(name)
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def _end_processes(self, name: str) -> None:
        deadline = time.monotonic() + SETTLE_SECONDS
        for last in (signal.SIGTERM, *[signal.SIGKILL] * 100):
            within = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
            pids = [int(pid) for pid in within.stdout.split() if int(pid) != os.getpid()]
            if not pids or time.monotonic() > deadline:
                return
            for pid in pids:
                try:
                    os.kill(pid, last)
                except ProcessLookupError:
                    continue
            time.sleep(1.0 if last == signal.SIGTERM else 0.1)


def enter(name: str) -> None:
    """Moves this process into a namespace: sockets that it, and threads that it starts, open from now on are there."""
    with (Path("/run/netns") / name).open() as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"the namespace {name} cannot be entered")


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BenchmarkError("the command ip is missing: install iproute2") from None
    if done.returncode != 0:
        raise BenchmarkError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")
