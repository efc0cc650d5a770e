"""Whole jobs in this process: what they learn, report and refuse."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest

from dist_bp.config import load_config
from dist_bp.config.data import DataConfig
from dist_bp.errors import CapacityError, CheckpointError, ConfigError
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.port import DESCRIPTION
from dist_bp.train.job import run_job
from dist_bp.train.setup import prepare_job
from tests.commands import run_here
from tests.conftest import JobMaker
from tests.train.looking import Notes, points, recorded

pytestmark = pytest.mark.usefixtures("database")


def test_a_job_learns_and_reports(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 15}, metrics=["accuracy", "f1_macro", "roc_auc"]))
    assert result.status == "FINISHED"
    assert (result.epochs, result.steps) == (15, 15 * 8)
    assert result.metrics["test_accuracy"] > 0.9
    assert set(result.metrics) == {
        f"{split}_{name}" for split in ("train", "val", "test") for name in ("loss", "accuracy", "f1_macro", "roc_auc")
    } - {"train_roc_auc"}
    assert Path(result.checkpoint, "manifest.json").is_file()
    run = recorded(result.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["train.batch_size"] == "32"
    assert run.data.metrics["test_accuracy"] == pytest.approx(result.metrics["test_accuracy"])
    assert [step for step, _ in points(result, "step/loss")] == list(range(1, 121))
    assert [step for step, _ in points(result, "epoch/val_loss")] == list(range(8, 121, 8))


def test_a_warmup_longer_than_the_job_is_shortened_and_told(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 1, "schedule": {"type": "cosine", "warmup_steps": 100}})
    notes = Notes()
    result = run_job(config, observer=notes)
    told = "train.schedule.warmup_steps is 4, not 100: the job has 8 steps in all"
    assert notes.lines == [told]
    assert told in recorded(result.run_id).data.tags[DESCRIPTION]
    rates = [value for _, value in points(result, "step/learning_rate")]
    rate = config.train.optimizer.learning_rate
    assert rates[:5] == pytest.approx([rate * factor for factor in (0.25, 0.5, 0.75, 1.0, 1.0)])


def test_a_split_that_the_source_has_itself_is_told_where_somebody_asked_for_one(make_job: JobMaker) -> None:
    random = np.random.default_rng(0)
    for name, samples in (("train.npz", 100), ("test.npz", 30)):
        np.savez(name, x=random.normal(size=(samples, 3)), y=np.arange(samples) % 2)
    source = {"type": "npz", "path": "train.npz", "test_path": "test.npz"}
    layers = {"layers": [{"type": "dense", "units": 2}]}
    told = {}
    for test in (None, 0, 0.1, 0.2):
        split = {} if test is None else {"split": {"test": test}}
        config = make_job(model=layers)
        data = DataConfig.model_validate({"source": source, **split})
        told[test] = prepare_job(config.model_copy(update={"data": data})).notes
    ignored = ["data.split.test is ignored: the source has a test set of its own"]
    assert told == {None: [], 0: [], 0.1: ignored, 0.2: ignored}


def test_the_environment_names_the_store_where_the_configuration_does_not(
    make_job: JobMaker, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = database.rename("other.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{other}")
    notes = Notes()
    run_job(make_job(train={"epochs": 1}), observer=notes)
    assert notes.lines[0] == f"MLFLOW_TRACKING_URI says where to record: sqlite:///{other}"
    assert len(json.loads(run_here("runs", "list", "--json").stdout)["runs"]) == 1
    assert not database.exists()
    named = make_job(tracking={"tracking_uri": "sqlite:///named.db"})
    assert named.tracking.tracking_uri == "sqlite:///named.db"
    assert not named.tracking.from_environment


@pytest.mark.parametrize(
    ("sections", "error", "message"),
    [
        (
            {"train": {"batch_size": 500, "group_size": 32}},
            ConfigError,
            "batch_size is 500, but the training split has only 240",
        ),
        ({"model": {"layers": [{"type": "dense", "units": 3}]}}, ConfigError, "4 classes needs 4 units"),
        ({"scaling": {"num_workers": 4, "cpus_per_worker": 999}}, CapacityError, "needs 3,996 CPUs"),
        (
            {"model": {"layers": [{"type": "dense", "units": 10**9}, {"type": "dense", "units": 4}]}},
            CapacityError,
            "MiB",
        ),
        ({"checkpoint": {"directory": "/proc/nowhere"}}, CheckpointError, "/proc/nowhere"),
        (
            {"scaling": {"num_workers": 1}, "ray": {"address": "127.0.0.1:9"}},
            CapacityError,
            "nothing answers at 127.0.0.1:9",
        ),
        ({"metrics": ["top_5"]}, ConfigError, "top_5 is not defined for 4 classes"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    make_job: JobMaker, database: Path, sections: dict[str, Any], error: type[Exception], message: str
) -> None:
    database.unlink()
    with pytest.raises(error, match=message):
        run_job(make_job(**sections))
    assert not database.exists()
    assert not list(Path().glob("runs/*"))


def test_parameters_do_not_depend_on_the_order_of_runs(make_job: JobMaker) -> None:
    config = make_job(train={"epochs": 2})
    assert run_job(config).parameters_sha256 == run_job(config).parameters_sha256
    other = config.model_copy(update={"seed": 4})
    assert run_job(other).parameters_sha256 != run_job(config).parameters_sha256


def test_several_labels_a_sample(make_job: JobMaker, workplace: Path) -> None:
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(300, 5)).astype(np.float32)
    np.savez("labels.npz", x=inputs, y=(inputs[:, :3] > 0).astype(np.int64))
    result = run_job(
        make_job(
            data={"source": {"type": "npz", "path": "labels.npz"}},
            model={"layers": [{"type": "dense", "units": 3}]},
            loss={"type": "binary_cross_entropy"},
            train={"epochs": 20},
            metrics=["accuracy", "f1_macro"],
        )
    )
    assert result.metrics["test_accuracy"] > 0.9


def test_several_targets_a_sample(make_job: JobMaker, workplace: Path) -> None:
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(300, 5)).astype(np.float32)
    np.savez("numbers.npz", x=inputs, y=inputs @ generator.normal(size=(5, 2)))
    result = run_job(
        make_job(
            data={"source": {"type": "npz", "path": "numbers.npz"}},
            model={"layers": [{"type": "dense", "units": 2}], "dtype": "float64"},
            loss={"type": "mse"},
            train={"epochs": 30, "optimizer": {"type": "adam", "learning_rate": 0.05}},
        )
    )
    assert result.metrics["test_r2"] > 0.99


# Recorded once. What moves a curve by more than rounding has changed the algorithm, and must say so.
GOLDEN = [1.3273, 0.7742, 0.6382, 0.5383, 0.4450]


def test_the_loss_curve_is_the_recorded_one(make_job: JobMaker) -> None:
    result = run_job(make_job(train={"epochs": 5}))
    assert [value for _, value in points(result, "epoch/train_loss")] == pytest.approx(GOLDEN, rel=2e-3)


def test_passwords_are_not_recorded(make_job: JobMaker) -> None:
    job = prepare_job(make_job())
    uri = "postgresql://user:se/a secret@127.0.0.1:1/mlflow"
    tracking = job.config.tracking.model_copy(update={"tracking_uri": uri})
    secretive = replace(job, config=job.config.model_copy(update={"tracking": tracking}))
    assert "secret" not in secretive.checkpoint(job.initial).config
    assert "user:***@127.0.0.1" in secretive.checkpoint(job.initial).config


def test_the_digits_are_learnt(workplace: Path) -> None:
    configs = Path(__file__).parents[2] / "configs"
    config = load_config(configs / "digits.yaml", ["scaling.num_workers=0", "tracking.log_model=false"])
    assert run_job(config).metrics["test_accuracy"] >= 0.96


def test_problems_of_several_parts_come_at_once(make_job: JobMaker) -> None:
    with pytest.raises(ConfigError) as caught:
        prepare_job(make_job(train={"batch_size": 500}, model={"layers": [{"type": "dense", "units": 3}]}))
    assert len(caught.value.problems) == 2


def test_a_logged_model_predicts_the_rows_of_its_training_file(make_job: JobMaker, workplace: Path) -> None:
    generator = np.random.default_rng(2)
    rows = pd.DataFrame(
        {
            "age": generator.integers(20, 60, 200),
            "member": generator.integers(0, 2, 200).astype(bool),
            "city": generator.choice(["Oslo", "Rome"], 200),
            "weight": generator.normal(70, 10, 200).round(1),
        }
    )
    rows["healthy"] = np.where(rows["weight"] < 70, "yes", "no")
    rows.to_csv("people.csv", index=False)
    result = run_job(
        make_job(
            data={
                "source": {"type": "csv", "path": "people.csv", "target": "healthy"},
                "preprocess": [{"type": "standardize"}, {"type": "one_hot"}],
            },
            model={"layers": [{"type": "dense", "units": 2}]},
            train={"epochs": 40, "optimizer": {"type": "adam", "learning_rate": 0.05}},
            tracking={"log_model": True},
        )
    )
    assert result.model_uri
    with opened_store("sqlite:///mlflow.db") as client:
        mlflow.set_tracking_uri(client.tracking_uri)
        model = mlflow.pyfunc.load_model(result.model_uri)
    raw = pd.read_csv("people.csv")
    assert (model.predict(raw)["prediction"] == raw["healthy"]).mean() > 0.9
    whole = raw.assign(age=raw["age"].astype(float), weight=raw["weight"].round().astype(int))
    assert len(model.predict(whole)) == len(raw)
