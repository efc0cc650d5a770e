"""How many threads the numeric libraries of a process run, and the environment that decides it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from threadpoolctl import threadpool_info

VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def thread_variables(count: int) -> dict[str, str]:
    return {name: str(count) for name in VARIABLES}


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Sets variables for the processes that the body starts."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def thread_counts(*_: object) -> dict[str, int]:
    """The threads of each BLAS and OpenMP library that this process has loaded."""
    return {
        f"{pool['internal_api']} {Path(pool['filepath']).name}": int(pool["num_threads"]) for pool in threadpool_info()
    }
