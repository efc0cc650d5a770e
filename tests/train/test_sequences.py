"""Jobs on sequences with attention, from the source to predictions."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.checkpoint import load
from dist_bp.config import JobConfig
from dist_bp.errors import ConfigError, ShapeError
from dist_bp.serve import SavedModel
from dist_bp.train.job import run_job
from dist_bp.train.setup import prepare_job
from tests.conftest import JobMaker

pytestmark = pytest.mark.usefixtures("database")

ROWS = 160
LENGTHS = np.random.default_rng(1).integers(1, 13, ROWS)
TOKENS = np.random.default_rng(2).integers(0, 5, LENGTHS.sum())


def firsts(make_job: JobMaker, longest: int) -> JobConfig:
    """What a sequence began with, asked at each of its positions: only attention can tell."""
    starts = np.cumsum(LENGTHS) - LENGTHS
    labels = np.repeat(TOKENS[starts], LENGTHS)
    np.savez("firsts.npz", x=TOKENS, x_lengths=LENGTHS, y=labels, y_lengths=LENGTHS)
    layers: list[dict[str, Any]] = [
        {"type": "embedding", "size": 16},
        {"type": "positions", "form": "learned", "longest": longest},
        {"type": "transformer_block", "heads": 2, "causal": True},
        {"type": "layer_norm"},
        {"type": "tied_output"},
    ]
    return make_job(
        data={"source": {"type": "npz", "path": "firsts.npz"}, "preprocess": [{"type": "integers"}]},
        model={"layers": layers},
        metrics=["accuracy", "perplexity"],
        train={"epochs": 30, "optimizer": {"type": "adam", "learning_rate": 0.01}},
    )


def test_a_transformer_is_trained_saved_and_predicts(make_job: JobMaker) -> None:
    config = firsts(make_job, 12)
    result = run_job(config)
    assert result.metrics["test_accuracy"] > 0.95
    assert result.metrics["test_perplexity"] == pytest.approx(np.exp(result.metrics["test_loss"]), rel=1e-5)
    model = SavedModel.load(Path(result.model))
    names = [*load(Path(result.model), for_resuming=False).parameters]
    assert [name for name in names if "table" in name] == ["0.table", "1.table"]
    sequences = np.split(TOKENS, np.cumsum(LENGTHS)[:-1])
    predicted = model.predict(sequences)["prediction"].to_numpy()
    assert (predicted == np.repeat([one[0] for one in sequences], LENGTHS)).mean() > 0.95
    with pytest.raises(ShapeError, match="a sample has 13 positions, and the table rows for 12"):
        model.predict([np.zeros(13, np.int64)])


def test_what_is_longer_than_the_table_is_refused_before_training(make_job: JobMaker) -> None:
    with pytest.raises(ConfigError, match="layer 1: positions: a sample has 12 positions, and the table rows for 11"):
        prepare_job(firsts(make_job, 11))
