"""Jobs on samples of every kind, from the source to predictions: named inputs, whole numbers, lengths, weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dist_bp.checkpoint import load
from dist_bp.config import JobConfig
from dist_bp.errors import DataError, ShapeError, UserError
from dist_bp.serve import SavedModel, evaluate_split
from dist_bp.serve.files import evaluate_file
from dist_bp.train.job import run_job
from dist_bp.train.result import Result
from dist_bp.train.setup import prepare_job
from tests.commands import run_here
from tests.conftest import JobMaker

pytestmark = pytest.mark.usefixtures("database")

ROWS = 160
LENGTHS = np.random.default_rng(1).integers(1, 20, ROWS)
TOKENS = np.random.default_rng(2).integers(0, 12, LENGTHS.sum())
FAST = {"type": "adam", "learning_rate": 0.1}
EMBEDDING = {"type": "embedding", "size": 4}
Kind = Callable[[JobMaker], JobConfig]


def table() -> pd.DataFrame:
    """Houses: two numbers, two categories that matter, a weight."""
    draw = np.random.default_rng(3)
    frame = pd.DataFrame({"size": draw.normal(size=ROWS), "age": draw.normal(size=ROWS)})
    frame["cut"], frame["home.town"] = draw.choice(["fair", "good", "ideal"], ROWS), draw.choice(["Bonn", "Ulm"], ROWS)
    frame["price"] = 2 * frame["size"] + 3 * (frame["cut"] == "good") - (frame["home.town"] == "Ulm")
    frame["weight"] = draw.uniform(0.5, 2, ROWS)
    return frame


def categories(make_job: JobMaker, **source: Any) -> JobConfig:
    table().to_csv("houses.csv", index=False)
    inputs = {"numbers": [], "cut": [EMBEDDING], "home.town": [EMBEDDING]}
    return make_job(
        data={
            "source": {"type": "csv", "path": "houses.csv", "target": "price", "weights": "weight", **source},
            "preprocess": [{"type": "categories"}, {"type": "standardize"}],
        },
        model={"layers": [{"type": "branches", "inputs": inputs}, {"type": "dense", "units": 1}]},
        loss={"type": "mse"},
        metrics=["r2"],
        train={"epochs": 30, "optimizer": FAST},
    )


def positions(make_job: JobMaker) -> JobConfig:
    """A class at each position of samples of different lengths."""
    np.savez("positions.npz", x=TOKENS, x_lengths=LENGTHS, y=TOKENS % 3, y_lengths=LENGTHS)
    return make_job(
        data={"source": {"type": "npz", "path": "positions.npz"}, "preprocess": [{"type": "integers"}]},
        model={"layers": [EMBEDDING, {"type": "dense", "units": 3}]},
        metrics=["accuracy"],
        train={"epochs": 10, "optimizer": FAST},
    )


def named(make_job: JobMaker) -> JobConfig:
    """Tokens of one length beside numbers."""
    draw = np.random.default_rng(4)
    tokens, numbers = draw.integers(0, 5, (ROWS, 3)), draw.normal(size=(ROWS, 2))
    target = numbers[:, 0] + tokens.sum(axis=1)
    np.savez("named.npz", t=tokens, a=numbers, y=target, w=draw.uniform(0.1, 1, ROWS))
    source = {"type": "npz", "path": "named.npz", "inputs": {"tokens": "t", "numbers": "a"}, "weights": "w"}
    inputs = {"tokens": [EMBEDDING, {"type": "flatten"}], "numbers": []}
    return make_job(
        data={"source": source, "preprocess": [{"type": "integers", "input": "tokens"}, {"type": "standardize"}]},
        model={"layers": [{"type": "branches", "inputs": inputs}, {"type": "dense", "units": 1}]},
        loss={"type": "mse"},
        metrics=["r2"],
        train={"epochs": 20, "optimizer": FAST},
    )


KINDS = [categories, positions, named]
each_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.__name__ for kind in KINDS])


@each_kind
def test_reruns_and_resumed_runs_have_the_same_bits(make_job: JobMaker, kind: Kind) -> None:
    config = kind(make_job)
    whole = config.model_copy(update={"train": config.train.model_copy(update={"epochs": 3})})
    first = run_job(whole)
    assert run_job(whole).parameters_sha256 == first.parameters_sha256
    begun = run_job(config.model_copy(update={"train": config.train.model_copy(update={"epochs": 1})}))
    assert begun.parameters_sha256 != first.parameters_sha256
    assert run_job(whole, resume=begun.run_id).parameters_sha256 == first.parameters_sha256


def scores_again(result: Result) -> SavedModel:
    """The model of a run, which has the scores of the run."""
    model = SavedModel.load(Path(result.model))
    _, scores = evaluate_split(model)
    for name, value in scores.items():
        assert value == pytest.approx(result.metrics[f"test_{name}"], rel=1e-5)
    return model


def test_categories_are_inputs_of_their_own(make_job: JobMaker) -> None:
    config = categories(make_job)
    result, frame = run_job(config), table()
    model = scores_again(result)
    assert {name: str(field) for name, field in model.schema.inputs.items()} == {
        "numbers": "2", "cut": "scalar, whole numbers", "home.town": "scalar, whole numbers",
    }  # fmt: skip
    assert [model.schema.inputs[name].count for name in ("cut", "home.town")] == [4, 3]
    coded = model.pipeline.transform(frame)
    np.testing.assert_array_equal(coded["cut"], [["fair", "good", "ideal"].index(cut) + 1 for cut in frame["cut"]])
    assert model.pipeline.transform(frame.assign(cut="new"))["cut"].max() == 0
    vectors = load(Path(result.model), for_resuming=False).parameters["0.home%2Etown.0.table"]
    assert not vectors[0].any(), "of a town that training has not seen"
    assert vectors[1:].all()
    predicted = model.predict(frame.drop(columns=["price", "weight"]))["prediction"]
    assert 1 - ((frame["price"] - predicted) ** 2).sum() / ((frame["price"] - frame["price"].mean()) ** 2).sum() > 0.95
    weighted = model.evaluate(frame, frame["price"], weights=frame["weight"])
    assert weighted["r2"] != model.evaluate(frame, frame["price"])["r2"]
    errors = (frame["price"] - predicted) ** 2
    spread = (frame["price"] - np.average(frame["price"], weights=frame["weight"])) ** 2
    assert weighted["r2"] == pytest.approx(1 - (frame["weight"] * errors).sum() / (frame["weight"] * spread).sum())
    for columns, wanted in ((frame.columns, weighted), (frame.columns.drop("weight"), None)):
        frame[columns].to_csv("new.csv", index=False)
        done = run_here("evaluate", result.model, "--data", "new.csv", "--json")
        assert done.returncode == 0, done.stderr
        assert (f'"r2": {weighted["r2"]:.6f}'[:-1] in done.stdout) == (wanted is not None)


def test_classes_by_position_of_samples_of_any_length(make_job: JobMaker) -> None:
    result = run_job(positions(make_job))
    model = scores_again(result)
    assert result.metrics["test_accuracy"] > 0.9
    lists = np.split(TOKENS, np.cumsum(LENGTHS)[:-1])
    predicted = model.predict(lists)
    assert [*predicted.columns[:3]] == ["sample", "position", "prediction"]
    assert len(predicted) == LENGTHS.sum()
    assert (predicted["prediction"].to_numpy() == TOKENS % 3).mean() > 0.9
    alone = model.predict(lists[7:8]).iloc[-1]
    together = predicted[predicted["sample"] == 7].iloc[-1]
    assert (alone["position"], alone["prediction"]) == (together["position"], together["prediction"])
    np.savez("rows.npz", x=TOKENS, x_lengths=LENGTHS)
    done = run_here("predict", result.model, "--input", "rows.npz", "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    written = pd.read_csv("out.csv")
    np.testing.assert_array_equal(written["prediction"], predicted["prediction"])
    np.testing.assert_array_equal(written["sample"], predicted["sample"])


def test_several_inputs_of_arrays(make_job: JobMaker) -> None:
    config = named(make_job)
    result = run_job(config)
    model = scores_again(result)
    with np.load("named.npz") as arrays:
        raw, targets, weights = {"tokens": arrays["t"], "numbers": arrays["a"]}, arrays["y"], arrays["w"]
    assert model.evaluate(raw, targets, weights=weights)["r2"] > 0.9
    for change, message in (
        ({"tokens": raw["tokens"] + 9}, "the input 'tokens' holds .* in row .* lies outside of 0 to 4"),
        ({"tokens": raw["tokens"] / 2}, "is no whole number"),
        ({"tokens": raw["tokens"][:9]}, "same number of samples: tokens 9, numbers 160"),
    ):
        with pytest.raises(DataError, match=message):
            model.predict(raw | change)
    with pytest.raises(DataError, match="no input 'numbers'"):
        model.predict({"tokens": raw["tokens"]})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({3: -1.0}, "the weight -1.0 in row 3"),
        ({5: np.nan}, "1 missing values, first in row 5"),
        ({4: np.inf}, "infinite value, first in row 4"),
        ({6: 1e300}, r"the weight 1e\+300 in row 6 \(counted from 0\) is too large for float32"),
        (dict.fromkeys(range(ROWS), 1e-300), "all weights of the train split are 0 in float32"),
    ],
)
def test_weights_that_are_none_are_refused(make_job: JobMaker, weights: dict[int, float], message: str) -> None:
    config = categories(make_job)
    frame = table()
    frame.loc[[*weights], "weight"] = [*weights.values()]
    frame.to_csv("houses.csv", index=False)
    with pytest.raises(DataError, match=message):
        prepare_job(config)


def test_a_weight_of_two_is_a_sample_twice(make_job: JobMaker) -> None:
    inputs, labels = np.arange(24.0).reshape(12, 2) % 7, np.array([0, 0, 0, 1] * 3)
    train = {
        "epochs": 5,
        "batch_size": 12,
        "group_size": 6,
        "shuffle": False,
        "optimizer": {"type": "sgd", "learning_rate": 1},
    }
    job: dict[str, Any] = {
        "model": {"layers": [{"type": "dense", "units": 2}], "dtype": "float64"}, "metrics": ["accuracy"],
        "loss": {"type": "cross_entropy", "class_weights": "balanced"},
    }  # fmt: skip
    split = {"validation": 0, "test": 0}
    twice = np.sort(np.concatenate([np.arange(12), np.flatnonzero(labels)]))
    np.savez("weighted.npz", x=inputs, y=labels, w=1 + labels)
    np.savez("repeated.npz", x=inputs[twice], y=labels[twice])
    weighted = {"source": {"type": "npz", "path": "weighted.npz", "weights": "w"}, "split": split}
    repeated = {"source": {"type": "npz", "path": "repeated.npz"}, "split": split}
    first = run_job(make_job(data=weighted, train=train, **job)).metrics
    second = run_job(make_job(data=repeated, train=train | {"batch_size": 15}, **job)).metrics
    assert first["train_loss"] == pytest.approx(second["train_loss"])
    assert first["train_accuracy"] == pytest.approx(second["train_accuracy"])


def test_other_data_is_measured_with_the_balance_of_the_training_split(make_job: JobMaker) -> None:
    draw = np.random.default_rng(5)
    for name, rows in (("train", 90), ("test", 40)):
        frame = pd.DataFrame({"a": draw.normal(size=rows), "w": draw.uniform(1, 3, rows)})
        frame.assign(kind=np.where(draw.random(rows) < 0.2, "rare", "usual")).to_csv(f"{name}.csv", index=False)
    source = {"type": "csv", "path": "train.csv", "test_path": "test.csv", "target": "kind", "weights": "w"}
    result = run_job(
        make_job(
            data={"source": source, "split": {"validation": 0.2}},
            model={"layers": [{"type": "dense", "units": 2}]},
            loss={"type": "cross_entropy", "class_weights": "balanced"},
            metrics=["accuracy"],
        )
    )
    saved = SavedModel.load(Path(f"runs/{result.run_id}/model"))
    notes: list[str] = []
    assert evaluate_file(saved, "test.csv", note=notes.append)[1]["loss"] == result.metrics["test_loss"]
    assert evaluate_split(saved)[1]["loss"] == result.metrics["test_loss"]
    assert notes == []


@pytest.mark.parametrize(
    ("steps", "layers", "message"),
    [
        ([], [EMBEDDING], "embedding takes whole numbers"),
        ([{"type": "integers"}], [{"type": "dense", "units": 3}], "put {type: embedding} before it"),
        ([{"type": "integers"}], [EMBEDDING, {"type": "flatten"}], "takes samples of one length"),
        ([{"type": "integers"}, {"type": "standardize"}], [EMBEDDING], "there is no input of numbers"),
        ([{"type": "integers", "input": "x"}], [EMBEDDING], "there is one input, which has no name: leave out"),
        ([{"type": "integers", "count": 4}], [EMBEDDING], "lies outside of 0 to 3: set count"),
    ],
)
def test_what_does_not_fit_is_a_clear_line(make_job: JobMaker, steps: Any, layers: Any, message: str) -> None:
    config = positions(make_job)
    source = config.data.source.model_dump()
    with pytest.raises(UserError) as caught:
        prepare_job(make_job(data={"source": source, "preprocess": steps}, model={"layers": layers}))
    assert message in caught.value.problems[0]


def test_several_inputs_need_names_and_branches(make_job: JobMaker) -> None:
    config = named(make_job)
    data = config.data.model_dump()
    with pytest.raises(ShapeError, match=r"bring them together with \{type: branches\}"):
        prepare_job(make_job(data=data, model={"layers": [{"type": "dense", "units": 1}]}, loss={"type": "mse"}))
    with pytest.raises(DataError, match="several inputs, tokens, numbers: name the one that is meant with input"):
        prepare_job(make_job(data=data | {"preprocess": [{"type": "standardize"}]}, loss={"type": "mse"}))
    table().rename(columns={"cut": "numbers"}).to_csv("houses.csv", index=False)
    with pytest.raises(DataError, match="a column 'numbers' cannot be an input of its own"):
        prepare_job(make_job(data={"source": {"type": "csv", "path": "houses.csv", "target": "price"},
                                   "preprocess": [{"type": "categories"}]}, loss={"type": "mse"}))  # fmt: skip


def test_a_table_of_categories_alone_has_no_numbers(make_job: JobMaker) -> None:
    config = categories(make_job, features=["cut", "home.town"])
    inputs = {"cut": [EMBEDDING], "home.town": [EMBEDDING]}
    layers = [{"type": "branches", "inputs": inputs}, {"type": "dense", "units": 1}]
    data = config.data.model_dump() | {"preprocess": [{"type": "categories"}]}
    job = prepare_job(make_job(data=data, model={"layers": layers}, loss={"type": "mse"}))
    assert [*job.prepared.schema.inputs] == ["cut", "home.town"]
