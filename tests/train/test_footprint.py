"""What a step takes of memory, beside what its arrays have."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.config import JobConfig
from dist_bp.errors import CapacityError
from dist_bp.nn import Field, Layer, Model
from dist_bp.nn.layers.attention import Attention
from dist_bp.nn.layers.conv1d import Conv1d
from dist_bp.nn.layers.conv2d import Conv2d
from dist_bp.nn.layers.dense import Dense
from dist_bp.nn.layers.dropout import Dropout
from dist_bp.nn.layers.flatten import Flatten
from dist_bp.nn.layers.lstm import Lstm
from dist_bp.train import checks
from dist_bp.train.checks import check_step
from dist_bp.train.footprint import pass_bytes, step_bytes
from dist_bp.train.setup import prepare_job
from tests.conftest import JobMaker

NETWORKS: dict[str, list[Layer]] = {
    "lstm": [Lstm(8, bidirectional=True), Dropout(0.5), Dense(4)],
    "conv1d": [Conv1d(8, 5), Dense(4)],
    "attention": [Attention(2), Dense(4)],
}


@pytest.mark.parametrize("network", NETWORKS)
def test_the_memory_of_long_samples_is_told_by_short_ones(network: str) -> None:
    model = Model(NETWORKS[network], Field((6,), ragged=True))
    actual = pass_bytes(model, 3, 640)
    kept = 3 * 2 * 640**2 * 4 if network == "attention" else 0  # scores that would not be kept if they were large
    assert actual - kept <= step_bytes(model, 3, 640, 1) * 1.05
    assert step_bytes(model, 3, 640, 1) <= actual * 1.05
    assert step_bytes(model, 3, 640, 2**40) == 0


def test_the_memory_of_many_samples_is_told_by_two() -> None:
    model = Model([Conv2d(8, 3), Flatten(), Dense(4)], (12, 12, 3))
    assert step_bytes(model, 50, 0, 1) == pytest.approx(pass_bytes(model, 50, 0), rel=0.3)


def outlier(make_job: JobMaker, longest: int) -> JobConfig:
    lengths = np.append(np.random.default_rng(0).integers(1, 9, 79), longest)
    np.savez("d.npz", x=np.zeros(lengths.sum(), np.int64), x_lengths=lengths, y=np.arange(80) % 2)
    layers: list[dict[str, Any]] = [
        {"type": "embedding", "size": 8},
        {"type": "attention", "heads": 2},
        {"type": "mean_over_time"},
        {"type": "dense", "units": 2},
    ]
    source = {"type": "npz", "path": "d.npz"}
    data = {"source": source, "preprocess": [{"type": "integers"}], "split": {"validation": 0, "test": 0}}
    return make_job(data=data, model={"layers": layers})


def test_a_step_that_cannot_fit_is_refused_before_it_begins(
    make_job: JobMaker, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "memory_left", lambda: float(2**30))
    check_step(prepare_job(outlier(make_job, 20)))
    check_step(prepare_job(outlier(make_job, 5000)))
    with pytest.raises(CapacityError, match=r"padded to the longest of them, 100,000 positions, needs at least .* GiB"):
        check_step(prepare_job(outlier(make_job, 100_000)))
