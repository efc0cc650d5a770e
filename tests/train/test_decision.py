"""The decision between two classes: from the configuration to the predictions of a saved model."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef, precision_score

from dist_bp.checkpoint import load
from dist_bp.errors import ConfigError
from dist_bp.serve import SavedModel, evaluate_split
from dist_bp.serve.served import ARTIFACT, Served
from dist_bp.train.job import run_job
from dist_bp.train.setup import prepare_job
from tests.commands import run_here
from tests.conftest import JobMaker

pytestmark = pytest.mark.usefixtures("database")
LOSSES = {"binary_cross_entropy": 1, "cross_entropy": 2}


@pytest.fixture
def rare(make_job: JobMaker) -> JobMaker:
    """Jobs on a table of 500 rows of which a tenth is "yes", and hard to tell from the others."""
    random = np.random.default_rng(2)
    labels = random.uniform(size=500) < 0.1
    inputs = random.normal(size=(500, 2)) + 0.9 * labels[:, None]
    frame = pd.DataFrame(inputs, columns=["a", "b"]).assign(y=np.where(labels, "yes", "no"))
    frame.to_csv("rare.csv", index=False)

    def make(loss: str = "cross_entropy", **sections: Any) -> Any:
        return make_job(
            data={"source": {"type": "csv", "path": "rare.csv", "target": "y"}},
            model={"layers": [{"type": "dense", "units": LOSSES[loss]}]},
            loss={"type": loss},
            train={"optimizer": {"type": "adam", "learning_rate": 0.1}},
            **{"metrics": ["f1", "precision", "average_precision"], **sections},
        )

    return make


@pytest.mark.parametrize("loss", LOSSES)
def test_a_threshold_chosen_on_validation_goes_with_the_model(rare: JobMaker, loss: str) -> None:
    config = rare(loss, decision={"threshold": {"by": "f1"}}, checkpoint={"monitor": "val_f1"})
    result = run_job(config)
    plain = run_job(rare(loss))
    threshold = result.metrics["val_threshold"]
    assert threshold < 0.4
    assert result.metrics["val_f1"] > plain.metrics["val_f1"]
    assert result.metrics["train_f1"] == plain.metrics["train_f1"]  # at 0.5 in both
    assert result.metrics["test_average_precision"] == plain.metrics["test_average_precision"]
    assert not {"test_threshold", "train_threshold"} & set(result.metrics)

    model, frame = SavedModel.load(Path(result.model)), pd.read_csv("rare.csv")
    for split, name in (("validation", "val"), ("test", "test")):
        scores = evaluate_split(model, split)[1]
        assert scores == pytest.approx({key: result.metrics[f"{name}_{key}"] for key in scores}, rel=1e-6)
    predicted = model.predict(frame)
    assert list(predicted["prediction"]) == list(np.where(predicted["probability_yes"] > threshold, "yes", "no"))
    scores = model.evaluate(frame, frame["y"])
    assert scores["f1"] == pytest.approx(f1_score(frame["y"], predicted["prediction"], pos_label="yes"))

    predict = run_here("predict", result.model, "--input", "rare.csv", "--output", "out.csv")
    assert predict.returncode == 0, predict.stderr
    assert list(pd.read_csv("out.csv")["prediction"]) == list(predicted["prediction"])
    packaged = Served()
    packaged.load_context(SimpleNamespace(artifacts={ARTIFACT: result.model}))
    assert list(packaged.predict(None, frame)["prediction"]) == list(predicted["prediction"])
    last = load(Path(result.checkpoint))
    assert last.pipeline["targets"]["threshold"] == last.metrics["val_threshold"]


def test_a_threshold_and_a_positive_class_may_be_given(rare: JobMaker) -> None:
    decision = {"positive": False, "threshold": 0.8}  # what YAML makes of no
    result = run_job(rare(decision=decision, metrics=["precision", "f1", "matthews", "confusion_matrix"]))
    model, frame = SavedModel.load(Path(result.model)), pd.read_csv("rare.csv")
    predicted = model.predict(frame)
    decided = np.where(predicted["probability_no"] > 0.8, "no", "yes")
    assert list(predicted["prediction"]) == list(decided)
    scores = model.evaluate(frame, frame["y"])
    assert scores["precision"] == pytest.approx(precision_score(frame["y"], decided, pos_label="no"))
    assert scores["f1"] == pytest.approx(f1_score(frame["y"], decided, pos_label="no"))
    assert scores["matthews"] == pytest.approx(matthews_corrcoef(frame["y"], decided))
    assert "val_threshold" not in result.metrics


def test_what_cannot_be_decided_is_refused(make_job: JobMaker, rare: JobMaker) -> None:
    def problems(make: JobMaker, **sections: Any) -> str:
        with pytest.raises((ConfigError, ValueError)) as raised:
            prepare_job(make(**sections))
        return str(raised.value)

    assert "f1 is for two classes, but the data has 4 classes: use f1_macro" in problems(make_job, metrics=["f1"])
    assert "decision is for two classes" in problems(make_job, decision={"threshold": 0.3})
    assert "decision.positive is 'maybe', which is no class" in problems(rare, decision={"positive": "maybe"})
