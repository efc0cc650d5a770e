"""What a run asks of its processes."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dist_bp.build import build_updater
from dist_bp.config import JobConfig
from dist_bp.errors import ConfigError
from dist_bp.nn import Field, Model
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.embedding import Embedding
from dist_bp.runtime.plan import RunPlan, arena_layout

LOADED_MEANWHILE = """
import numpy, threadpoolctl
limit = threadpoolctl._ThreadpoolLimiter.__init__
def meanwhile(*arguments, **options):
    limit(*arguments, **options)
    import scipy.linalg  # brings a BLAS of its own, with a thread for each CPU
threadpoolctl._ThreadpoolLimiter.__init__ = meanwhile
from dist_bp.runtime.plan import limit_threads
limit_threads(3)
"""


def test_a_blas_that_another_thread_imports_meanwhile_is_no_reason_to_fail() -> None:
    subprocess.run([sys.executable, "-c", LOADED_MEANWHILE], check=True, timeout=60)


def config(optimizer: str, **options: object) -> JobConfig:
    return JobConfig.model_validate(
        {
            "name": "words",
            "data": {"source": {"type": "sklearn", "name": "digits"}},
            "model": {"layers": [{"type": "dense", "units": 2}]},
            "loss": {"type": "cross_entropy"},
            "train": {"optimizer": {"type": optimizer, **options}},
            "scaling": {"num_workers": 2},
        }
    )


@pytest.mark.parametrize(
    ("rows", "lazy", "placement", "expected"),
    [
        (4096, False, (2,), 0),  # no longer than eight chunks
        (4097, False, (2,), 1),
        (3, True, (2,), 1),
        (4097, False, (1, 1), 0),
    ],
)
def test_gradients_come_by_rows_where_that_saves_something(
    rows: int, lazy: bool, placement: tuple[int, ...], expected: int
) -> None:
    job = config("adam", lazy=lazy)
    model = Model([Embedding(64), Dense(2)], Field((), "int", False, rows))
    parts: Any = SimpleNamespace(config=job, model=model, updater=build_updater(job, model), metrics={})
    assert len(arena_layout(parts, placement).by_rows) == expected
    assert not arena_layout(parts, placement, by_rows=False).by_rows


def test_lazy_is_refused_on_several_nodes() -> None:
    assert RunPlan(config("adam"), Path(), 1, b"", (1, 1)).nodes == 2
    assert RunPlan(config("adam", lazy=True), Path(), 1, b"", (2,)).nodes == 1
    with pytest.raises(ConfigError, match=r"lazy is for workers of one node: remove it, or .*scaling.placement=packed"):
        RunPlan(config("adam", lazy=True), Path(), 1, b"", (1, 1))
