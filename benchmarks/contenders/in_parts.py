"""A worker's computing, cut by what NumPy and SciPy are called for, and by layers."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
from scipy.sparse import csc_array, csr_array

from benchmarks.contenders.unsynchronised import Unsynchronised
from dist_bp.nn import Layer

CALLED = (
    ("products", np, "matmul"),
    ("sparse products", csr_array, "__matmul__"),
    ("sparse products", csc_array, "__matmul__"),
    ("copies", np, "copyto"),
    ("copies", np, "take"),
)
"""Functions by the part that they belong to, and where they are."""
REST = "elementwise and Python"
OUTSIDE = "batch, loss, and what is added up"


class InParts(Unsynchronised):
    """Worker `rank` of `size`, which takes the time of its parts."""

    def parts(self, first: int, count: int) -> dict[str, float]:
        """Seconds of each part of these steps."""
        seconds = {part: 0.0 for part, _, _ in CALLED}
        started = time.perf_counter()
        with _counted(seconds):
            self.run(first, count)
        return seconds | {REST: time.perf_counter() - started - sum(seconds.values())}

    def layers(self, first: int, count: int) -> dict[str, float]:
        """Seconds of each layer in these steps, forward and backward, and of all that is none."""
        seconds: dict[str, float] = {}
        with ExitStack() as stack:
            for name, layer in self._run.layers(self._rank).items():
                stack.enter_context(_timed(layer, f"{name} {layer.kind}", seconds))
            started = time.perf_counter()
            self.run(first, count)
        return seconds | {OUTSIDE: time.perf_counter() - started - sum(seconds.values())}


@contextmanager
def _timed(layer: Layer, name: str, seconds: dict[str, float]) -> Iterator[None]:
    """Adds up the seconds of a layer."""
    forth, back, forward = f"{name}, forward", f"{name}, backward", layer.forward
    seconds |= {forth: 0.0, back: 0.0}

    def timed(*arguments: Any) -> Any:
        started = time.perf_counter()
        y, backward = forward(*arguments)
        seconds[forth] += time.perf_counter() - started

        def timed_back(*arguments: Any) -> Any:
            started = time.perf_counter()
            try:
                return backward(*arguments)
            finally:
                seconds[back] += time.perf_counter() - started

        return y, timed_back

    with patch.object(layer, "forward", timed):
        yield


@contextmanager
def _counted(seconds: dict[str, float]) -> Iterator[None]:
    """Adds up the seconds within the functions of `CALLED`, by part."""

    def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                seconds[part] += time.perf_counter() - started

        return call

    with ExitStack() as stack:
        for part, owner, name in CALLED:
            stack.enter_context(patch.object(owner, name, timed(getattr(owner, name), part)))
        yield
