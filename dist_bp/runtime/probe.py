"""Measures what an exchange between the servers of two nodes costs at its ends: two processes, loopback."""

import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from dist_bp.ps.exchange import Exchange
from dist_bp.runtime.cluster import LOOPBACK
from dist_bp.runtime.memory import keep_freed_memory
from dist_bp.types import Array

SECONDS = 0.3
ROUNDS = 5
WARM_UP = 10
BURST = 16


class Party:
    """One of the two: a server's end of the exchange and nothing else."""

    def __init__(self, me: int, secret: bytes, timeout: float, encrypt: bool) -> None:
        self._other = 1 - me
        keep_freed_memory()
        self._exchange = Exchange(me, 2, secret, timeout, encrypt)

    def listen(self) -> str:
        return self._exchange.listen(LOOPBACK)

    def connect(self, addresses: list[str]) -> None:
        self._exchange.connect(addresses)

    def swap(self, generation: int, nbytes: int, messages: int, count: int) -> float:
        """Seconds of each of `count` swaps, in which both send and receive so many messages of so many bytes."""
        array: Array = np.ones(nbytes, np.uint8)
        into = {self._other: np.zeros_like(array) if nbytes else None}
        started = time.perf_counter()
        for step in range(count):
            for kind in range(messages):
                self._exchange.send(self._other, kind, generation, step, (), array if nbytes else None)
            for kind in range(messages):
                self._exchange.receive(kind, generation, step, into)
        return (time.perf_counter() - started) / count

    def close(self) -> None:
        self._exchange.close()


@dataclass(frozen=True)
class ExchangeCosts:
    """Seconds: of a round in which two servers send each other an empty message, of each further message, of a byte."""

    round: float
    message: float
    byte: float


def measure_exchange(nbytes: int, secret: bytes, timeout: float, encrypt: bool) -> ExchangeCosts:
    """Medians of some rounds; `nbytes` is a usual size of a payload. Ray must be connected."""
    import ray

    parties = [ray.remote(Party).options(num_cpus=0).remote(me, secret, timeout, encrypt) for me in (0, 1)]
    generation = itertools.count(1)

    def ask(method: str, *arguments: Any) -> list[Any]:
        calls = [getattr(party, method).remote(*arguments) for party in parties]
        return list(ray.get(calls, timeout=10 * timeout))

    def measure(size: int, messages: int) -> float:
        taken = [max(ask("swap", next(generation), size, messages, WARM_UP))]
        for _ in range(ROUNDS):
            count = max(3, min(2000, int(SECONDS / taken[-1])))
            taken.append(max(ask("swap", next(generation), size, messages, count)))
        return float(np.median(taken[1:]))

    try:
        ask("connect", ask("listen"))
        single, burst, loaded = measure(0, 1), measure(0, BURST), measure(nbytes, 1)
        ask("close")
    finally:
        for party in parties:
            ray.kill(party)
    return ExchangeCosts(single, max(burst - single, 0.0) / (BURST - 1), max(loaded - single, 0.0) / nbytes)
