"""A worker's computing, cut by what NumPy is called for."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.contenders.unsynchronised import Unsynchronised

CALLED = {"products": ("matmul",), "copies": ("copyto", "take")}
REST = "elementwise and Python"


class InParts(Unsynchronised):
    """Worker `rank` of `size`, which takes the time of its parts."""

    def parts(self, first: int, count: int) -> dict[str, float]:
        """Seconds of each part of these steps."""
        seconds = dict.fromkeys(CALLED, 0.0)
        started = time.perf_counter()
        with _counted(seconds):
            self.run(first, count)
        return seconds | {REST: time.perf_counter() - started - sum(seconds.values())}


@contextmanager
def _counted(seconds: dict[str, float]) -> Iterator[None]:
    """Adds up the seconds within some of NumPy's functions, by part."""

    def timed(function: Callable[..., Any], part: str) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                seconds[part] += time.perf_counter() - started

        return call

    places = [(name, part) for part, names in CALLED.items() for name in names]
    with patch.multiple(np, **{name: timed(getattr(np, name), part) for name, part in places}):
        yield
