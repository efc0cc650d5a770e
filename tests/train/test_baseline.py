"""A loss that is worse than that of ignoring the inputs is told."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dist_bp.cli.display import rows
from dist_bp.train.baseline import baseline_loss, remark
from dist_bp.train.job import run_job
from dist_bp.train.setup import PreparedJob, prepare_job
from tests.conftest import JobMaker

LABELS = np.repeat([0, 1], [150, 250])
NATS = -0.375 * np.log(0.375) - 0.625 * np.log(0.625)


@pytest.fixture
def job(make_job: JobMaker) -> Any:
    """Prepares a job with one dense layer on 400 rows with these targets, all of them to train on."""

    def make(targets: Any, units: int, **sections: Any) -> PreparedJob:
        np.savez("rows.npz", x=np.random.default_rng(0).normal(size=(400, 3)), y=targets)
        data = {"source": {"type": "npz", "path": "rows.npz"}, "split": {"validation": 0, "test": 0}}
        model = {"layers": [{"type": "dense", "units": units}], "dtype": "float64"}
        checkpoint = {"monitor": "train_loss"}
        return prepare_job(make_job(data=data, model=model, checkpoint=checkpoint, **sections))

    return make


@pytest.mark.parametrize(
    ("targets", "units", "loss", "expected"),
    [
        (LABELS, 2, "cross_entropy", NATS),
        (LABELS, 1, "binary_cross_entropy", NATS),
        (np.stack([LABELS, 1 - LABELS], axis=1), 2, "binary_cross_entropy", NATS),
        (1e6 + LABELS, 1, "mse", 1.0),
        (LABELS, 1, "mae", 0.375 * 0.625 * 2 / np.sqrt(0.375 * 0.625)),
    ],
)
def test_it_is_the_loss_of_the_best_constant(job: Any, targets: Any, units: int, loss: str, expected: float) -> None:
    prepared = job(targets, units, loss={"type": loss})
    assert baseline_loss(prepared, "train") == pytest.approx(expected, rel=1e-12)


def test_only_a_loss_far_above_it_is_told(job: Any) -> None:
    prepared = job(LABELS, 2)
    assert remark(prepared, {"train_loss": 1.1 * NATS}) is None
    assert remark(prepared, {}) is None
    assert remark(prepared, {"train_loss": 2 * NATS}) == (
        f"train_loss {2 * NATS:.4g} is 2.0 times the {NATS:.4g} of predicting the classes' frequencies: "
        "train longer, or with a lower train.optimizer.learning_rate, or add {type: standardize} to data.preprocess"
    )


def test_the_remedy_tells_nothing_learnt_from_learnt_by_heart(make_job: JobMaker) -> None:
    prepared = prepare_job(make_job(data={"preprocess": [{"type": "standardize"}]}))
    [nothing, by_heart] = (remark(prepared, {"train_loss": train, "val_loss": 5.0}) for train in (4.0, 0.1))
    assert nothing is not None
    assert nothing.endswith(
        "of predicting the classes' frequencies: train longer, or with a lower train.optimizer.learning_rate"
    )
    assert by_heart is not None
    assert "by heart: set train.stop.patience, or use a smaller one" in by_heart


def test_texts_are_not_to_be_standardized(make_job: JobMaker) -> None:
    Path("texts.csv").write_text("text,label\n" + "\n".join(f"word{row % 3} word,{row % 2}" for row in range(99)))
    source = {"type": "csv", "path": "texts.csv", "target": "label", "text": ["text"]}
    layers = [{"type": "embedding", "size": 2}, {"type": "mean_over_time"}, {"type": "dense", "units": 2}]
    data = {"source": source, "preprocess": [{"type": "tokenize"}]}
    prepared = prepare_job(make_job(data=data, model={"layers": layers}))
    told = remark(prepared, {"train_loss": 5.0, "val_loss": 5.0})
    assert told is not None
    assert told.endswith("train longer, or with a lower train.optimizer.learning_rate")


def test_the_closing_table_has_it(make_job: JobMaker, database: Path) -> None:
    train = {"epochs": 1, "optimizer": {"type": "sgd", "learning_rate": 1e4}}
    result = run_job(make_job(train=train, model={"layers": [{"type": "dense", "units": 4}]}))
    told = dict(rows(result))["remark"]
    assert told.startswith("val_loss ")
    assert "times the 1.3" in told
    assert result.as_dict()["remark"] == told
