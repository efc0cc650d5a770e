"""Targets of a regression, from the configuration to predictions, whatever is learnt in their place."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, r2_score

from dist_bp.errors import CheckpointError, DataError, UserError
from dist_bp.serve import SavedModel, evaluate_split
from dist_bp.train.job import run_job
from dist_bp.train.result import Result
from dist_bp.train.setup import prepare_job
from dist_bp.train.start import find_checkpoint
from tests.commands import run_here
from tests.conftest import JobMaker

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def houses(make_job: JobMaker) -> JobMaker:
    """Jobs on a table of 300 houses whose price, in whole dollars, follows from two columns."""
    random = np.random.default_rng(5)
    size, age = random.uniform(size=(2, 300))
    price = 200_000 + 150_000 * np.sin(3 * size) - 80_000 * age**2 + random.normal(scale=4_000, size=300)
    frame = pd.DataFrame({"size": size, "age": age, "price": price.round().astype(int)})
    frame.to_csv("dollars.csv", index=False)
    frame.assign(price=frame["price"] / 100_000).to_csv("scaled.csv", index=False)

    def make(path: str = "dollars.csv", transform: str = "standardize", **sections: Any) -> Any:
        data = {
            "source": {"type": "csv", "path": path, "target": "price"},
            "preprocess": [{"type": "standardize"}],
            "target": {"transform": transform},
        }
        layers = [{"type": "dense", "units": 16, "activation": "tanh"}, {"type": "dense", "units": 1}]
        return make_job(
            **{
                "data": data,
                "model": {"layers": layers},
                "loss": {"type": "mse"},
                "metrics": ["r2", "mae", "mse"],
                "train": {"epochs": 40, "optimizer": {"type": "adam", "learning_rate": 0.03}},
                **sections,
            }
        )

    return make


def test_dollars_are_learnt_as_well_as_hundred_thousands(houses: JobMaker) -> None:
    dollars, scaled = (run_job(houses(path)).metrics for path in ("dollars.csv", "scaled.csv"))
    assert dollars["test_r2"] > 0.9
    for split in ("train", "val", "test"):
        assert dollars[f"{split}_loss"] == pytest.approx(scaled[f"{split}_loss"], rel=1e-3)
        assert dollars[f"{split}_r2"] == pytest.approx(scaled[f"{split}_r2"], rel=1e-3)
        assert dollars[f"{split}_mae"] == pytest.approx(scaled[f"{split}_mae"] * 1e5, rel=1e-3)
        assert dollars[f"{split}_mse"] == pytest.approx(scaled[f"{split}_mse"] * 1e10, rel=1e-3)


@pytest.mark.parametrize("transform", ["standardize", "log", "none"])
def test_predictions_and_metrics_are_in_the_targets_units(houses: JobMaker, transform: str) -> None:
    path = "scaled.csv" if transform == "none" else "dollars.csv"
    result: Result = run_job(houses(path, transform))
    model, frame = SavedModel.load(Path(result.model)), pd.read_csv(path)
    predicted = model.predict(frame)["prediction"]
    assert predicted.dtype == (np.float32 if transform == "none" else np.float64)
    scores = model.evaluate(frame, frame["price"])
    assert scores["r2"] == pytest.approx(r2_score(frame["price"], predicted), rel=1e-5)
    assert scores["r2"] > 0.9
    assert scores["mae"] == pytest.approx(mean_absolute_error(frame["price"], predicted), rel=1e-5)
    samples, test = evaluate_split(model)
    assert samples == 60
    assert test["mae"] == pytest.approx(result.metrics["test_mae"], rel=1e-6)
    predict = run_here("predict", result.model, "--input", path, "--output", "out.csv")
    assert predict.returncode == 0, predict.stderr
    np.testing.assert_allclose(pd.read_csv("out.csv")["prediction"], predicted, rtol=1e-6)


def test_several_values_are_transformed_each_by_itself(make_job: JobMaker) -> None:
    inputs = np.random.default_rng(1).normal(size=(200, 3))
    targets = np.stack([1e6 + 1e5 * inputs[:, 0], 1e-3 * inputs[:, 1]], axis=1)
    np.savez("two.npz", x=inputs, y=targets)
    layers = [{"type": "dense", "units": 2}]
    job = {"loss": {"type": "mse"}, "model": {"layers": layers}, "metrics": ["r2"], "train": {"epochs": 30}}
    result = run_job(make_job(data={"source": {"type": "npz", "path": "two.npz"}}, **job))
    assert result.metrics["val_r2"] > 0.99
    predicted = SavedModel.load(Path(result.model)).predict(inputs)
    assert [r2_score(targets[:, k], predicted[f"prediction_{k}"]) > 0.99 for k in range(2)] == [True, True]


OWN_LOSS = """
from dist_bp.nn import Loss

class Squares(Loss):
    name, kind, activation = "squares", "regression", "identity"

    def check(self, output, target):
        pass

    def terms(self, outputs, targets, ctx):
        errors = outputs - targets.reshape(outputs.shape)
        return errors**2, 2 * errors

class Silent(Squares):
    kind = None
"""


def test_losses_and_metrics_tell_the_task(houses: JobMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("squares_of_mine.py").write_text(OWN_LOSS)
    monkeypatch.syspath_prepend(".")
    for loss in ({"type": "mae"}, {"type": "squares_of_mine:Squares"}, {"type": "squares_of_mine:Silent"}):
        assert prepare_job(houses(loss=loss)).prepared.schema.task == "regression"


def test_what_does_not_fit_is_one_clear_line(houses: JobMaker, make_job: JobMaker) -> None:
    def refused(error: type[UserError], **sections: Any) -> str:
        with pytest.raises(error) as raised:
            prepare_job(houses(**sections))
        [line] = raised.value.problems
        return line

    frame = pd.read_csv("dollars.csv")
    frame.loc[7, "price"] = 0
    frame.to_csv("zero.csv", index=False)
    assert refused(DataError, path="zero.csv", transform="log").startswith("the target 0 in row 7 (counted from 0)")
    frame.assign(price=frame.index % 30).to_csv("counts.csv", index=False)
    classes = {"loss": {"type": "cross_entropy"}, "metrics": ["accuracy"]}
    line = refused(DataError, **classes)
    assert "the loss cross_entropy takes each of them for a class: set data.task: regression" in line
    with pytest.raises(UserError) as raised:
        prepare_job(houses("counts.csv", **classes))
    assert "the whole numbers of the targets are taken for 30 classes" in "\n".join(raised.value.problems)
    assert "data.task: regression" in "\n".join(raised.value.problems)


def test_a_checkpoint_is_of_one_transform(houses: JobMaker) -> None:
    result = run_job(houses(train={"epochs": 1}))
    with pytest.raises(CheckpointError, match=r"split, data\.preprocess or data\.target is another"):
        find_checkpoint(prepare_job(houses(transform="log")), result.checkpoint)
