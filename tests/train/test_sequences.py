"""Jobs on sequences with attention, from the source to predictions."""

import re
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from dist_bp.checkpoint import load
from dist_bp.config import JobConfig
from dist_bp.data.samples import Gatherer
from dist_bp.errors import ConfigError, ShapeError
from dist_bp.serve import SavedModel, evaluate_split
from dist_bp.spelling import counted
from dist_bp.train.job import run_job
from dist_bp.train.setup import prepare_job
from tests.commands import run_here
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


SILENCE = 4


def spoken() -> tuple[list[list[int]], list[list[int]]]:
    """Tokens that each last for some positions, silence between some of them, and the sequences without both."""
    draw = np.random.default_rng(3)
    runs = [[draw.integers(0, SILENCE), *draw.integers(0, 5, draw.integers(0, 7))] for _ in range(ROWS)]
    heard = [[token for token in run for _ in range(draw.integers(1, 4))] for run in runs]
    return heard, [[int(token) for token, _ in groupby(run) if token != SILENCE] for run in runs]


def words(make_job: JobMaker, **more: Any) -> JobConfig:
    heard, said = spoken()
    arrays = {"x": np.concatenate(heard), "x_lengths": [len(one) for one in heard]}
    labels = np.array(["a", "b", "c", "d"])[[label for one in said for label in one]]
    np.savez("words.npz", **arrays, y=labels, y_lengths=[len(one) for one in said])
    settings: dict[str, Any] = {
        "data": {"source": {"type": "npz", "path": "words.npz"}, "preprocess": [{"type": "integers"}]},
        "model": {"layers": [{"type": "embedding", "size": 8}, {"type": "dense", "units": 5}]},
        "loss": {"type": "ctc"},
        "metrics": [],
        "train": {"epochs": 15, "optimizer": {"type": "adam", "learning_rate": 0.1}},
        "checkpoint": {"monitor": "val_label_error_rate"},
    }
    return make_job(**(settings | more))


def test_sequences_of_labels_at_positions_that_nobody_has_told(make_job: JobMaker) -> None:
    result = run_job(words(make_job))
    assert result.metrics["test_label_error_rate"] < 0.02
    assert "val_accuracy" not in result.metrics
    model = SavedModel.load(Path(result.model))
    _, scores = evaluate_split(model)
    assert scores == pytest.approx({name: result.metrics[f"test_{name}"] for name in scores}, rel=1e-5, abs=1e-9)
    heard, said = spoken()
    expected = [" ".join("abcd"[label] for label in one) for one in said]
    predicted = model.predict(heard)
    assert [*predicted.columns] == ["prediction"]
    assert (predicted["prediction"] == expected).mean() > 0.95
    assert model.evaluate(heard, [text.split() for text in expected])["label_error_rate"] < 0.02
    np.savez("new.npz", x=np.concatenate(heard), x_lengths=[len(one) for one in heard])
    done = run_here("predict", result.model, "--input", "new.npz", "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    assert Path("out.csv").read_text().splitlines()[1:] == [*predicted["prediction"]]


def test_the_mean_loss_is_that_of_what_has_a_target(make_job: JobMaker) -> None:
    assert [prepare_job(config).loss_per for config in (firsts(make_job, 12), words(make_job))] == ["position", "label"]


def too_short(make_job: JobMaker, **loss: str) -> JobConfig:
    """Two samples of four whose labels need more positions than they have: one repeats."""
    heard, said = [[0, 0, 4], [1, 1], [0, 1, 4], [2]], [[0, 1], [1, 1], [0, 1], [2, 3]]
    arrays = {"x": np.concatenate(heard), "x_lengths": [len(one) for one in heard]}
    labels = np.array(["a", "b", "c", "d"])[[label for one in said for label in one]]
    np.savez("short.npz", **arrays, y=labels, y_lengths=[len(one) for one in said])
    source = {"type": "npz", "path": "short.npz"}
    return words(
        make_job,
        data={"source": source, "preprocess": [{"type": "integers"}], "split": {"validation": 0, "test": 0}},
        loss={"type": "ctc", **loss},
        train={"epochs": 1, "batch_size": 4, "group_size": 4, "stop": {"monitor": "train_loss"}},
        checkpoint={"monitor": "train_loss"},
    )


def test_what_ctc_cannot_spell_is_told_before_training(make_job: JobMaker) -> None:
    told = (
        r"2 of the 4 samples of the train split, as their labels need more positions than the last layer gives: "
        r"row 1 \(counted from 0\) \(2 labels, 1 of them like the one before, need 3, and 2 positions\); "
        r"row 3 \(counted from 0\) \(2 labels, and 1 position\)"
    )
    with pytest.raises(ConfigError, match=rf"ctc cannot spell {told}; let the layers give more"):
        prepare_job(too_short(make_job))
    job = prepare_job(too_short(make_job, too_long="skip"))
    assert any(re.fullmatch(f"loss.too_long: skip leaves out {told}", note) for note in job.notes)
    store = counted(job.model, job.loss, job.prepared.split("train"))
    assert store.amount(np.arange(4)) == (4, 4.0)
    for rows in ([1], [0, 3], [1, 3]):
        batch = Gatherer(store, 4).batch(np.array(rows), (), np.arange(4))
        context = job.model.context(0)
        context.begin(training=False)
        parameters = job.model.layout.views(job.initial.parameters)
        outputs = job.model.forward(batch.inputs, parameters, context)[0]
        assert job.loss(outputs, batch.targets, context).weight == store.amount(np.array(rows)).weight
    assert np.isfinite(run_job(too_short(make_job, too_long="skip")).metrics["train_loss"])


def test_strides_leave_labels_too_few_positions(make_job: JobMaker) -> None:
    layers = [
        {"type": "embedding", "size": 8},
        {"type": "conv1d", "filters": 8, "kernel": 3, "stride": 4},
        {"type": "dense", "units": 5},
    ]
    with pytest.raises(ConfigError) as caught:
        prepare_job(words(make_job, model={"layers": layers}))
    assert [problem.split(" split, as")[0].split(" of the ")[-1] for problem in caught.value.problems] == [
        "train",
        "validation",
        "test",
    ]
    assert all(problem.count("counted from 0") == 5 for problem in caught.value.problems)


def test_what_ctc_cannot_spell_or_measure_is_told(make_job: JobMaker) -> None:
    with pytest.raises(ValidationError, match="accuracy compares position by position, and ctc does not say where"):
        words(make_job, metrics=["accuracy"], checkpoint={})
    with pytest.raises(ValidationError, match="label_error_rate compares sequences of labels, which go with the loss"):
        make_job(metrics=["label_error_rate"])
    layers = [{"type": "embedding", "size": 8}, {"type": "dense", "units": 4}]
    with pytest.raises(ConfigError, match="ctc over 4 classes needs 5 units in the last layer, the last one for the"):
        prepare_job(words(make_job, model={"layers": layers}))
