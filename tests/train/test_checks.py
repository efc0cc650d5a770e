"""What is checked of where a job is to run, before anything starts."""

import platform
from pathlib import Path
from typing import Any

import pytest

from dist_bp.errors import CapacityError
from dist_bp.train.checks import check_job
from dist_bp.train.setup import prepare_job
from tests.conftest import JobMaker

CLUSTER = {"ray": {"address": "auto"}}
LAZY = {"optimizer": {"type": "adam", "lazy": True}}
CLIPPED = {"train": LAZY | {"clip_norm": 1.0}}


@pytest.fixture
def source(workplace: Path) -> dict[str, str]:
    Path("t.txt").write_text("\n".join(f"{('minus', 'plus')[row % 2]} a b" for row in range(160)))
    return {"type": "lines", "path": "t.txt"}


@pytest.mark.parametrize(
    ("sections", "told"), [(CLUSTER | CLIPPED, 1), (CLUSTER | {"train": LAZY}, 0), (CLIPPED, 0)], ids=str
)
def test_bits_that_depend_on_the_number_of_nodes_are_told_at_the_start(
    sections: dict[str, Any], told: int, make_job: JobMaker, source: dict[str, str]
) -> None:
    layers = [{"type": "embedding", "size": 8}, {"type": "mean_over_time"}, {"type": "dense", "units": 2}]
    data = {"source": source, "preprocess": [{"type": "tokenize"}]}
    job = prepare_job(make_job(data=data, model={"layers": layers}, scaling={"num_workers": 1}, **sections))
    assert ["large embedding" in line for line in check_job(job)] == [True] * told


def test_another_processor_is_refused_where_workers_are_processes(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(CapacityError, match=r"need an x86-64 processor, this is aarch64: .*scaling\.num_workers=0"):
        check_job(prepare_job(make_job(scaling={"num_workers": 1})))
    check_job(prepare_job(make_job(scaling={"num_workers": 0})))
