"""What MLflow holds of a whole job besides curves: checkpoints as models, versions, the description."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModel

from dist_bp.cli.main import main
from dist_bp.config import JobConfig
from dist_bp.errors import TrainingFailed
from dist_bp.track import mlflow_tracker
from dist_bp.track.mlflow_store import opened_store
from dist_bp.train.job import run_job
from dist_bp.train.result import Result
from tests.conftest import JobMaker

LOGGED: dict[str, Any] = {"system_metrics": False, "log_model": True}


@pytest.fixture
def client(database: Path) -> Iterator[MlflowClient]:
    uri = f"sqlite:///{database}"
    mlflow.set_tracking_uri(uri)
    with opened_store(uri) as client:
        yield client


def models(client: MlflowClient, name: str, experiment: str = "1") -> list[LoggedModel]:
    found = client.search_logged_models([experiment], f"name = '{name}'")
    return sorted(found, key=lambda model: next(metric.step for metric in model.metrics))


def folders(result: Result) -> set[str]:
    return {str(path) for path in Path(result.checkpoint).parent.iterdir()}


def test_models_in_mlflow_are_the_checkpoints_on_disk(
    make_job: JobMaker, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_tracker, "MIRROR_SECONDS", 0.0)
    monkeypatch.setattr(mlflow_tracker, "MIRROR_REST", 0.0)
    config = make_job(tracking=LOGGED, train={"epochs": 12}, checkpoint={"keep": 2, "monitor": "val_accuracy"})
    result = run_job(config)
    logged = models(client, "checkpoint")
    assert {model.tags["dist_bp.checkpoint"] for model in logged} == folders(result)
    assert len(list(Path("mlartifacts/models").glob("*/artifacts/MLmodel"))) == len(logged) + 1
    found = mlflow.search_logged_models(
        experiment_ids=["1"],
        filter_string="name = 'checkpoint' AND metrics.`epoch/val_accuracy` > 0.5",
        order_by=[{"field_name": "metrics.epoch/val_accuracy", "ascending": False}],
        output_format="list",
    )
    assert len(found) == len(logged)
    data = np.load("blobs.npz")
    for model in found:
        accuracy = next(metric for metric in model.metrics if metric.key == "epoch/val_accuracy")
        assert model.tags["dist_bp.checkpoint"].endswith(f"{accuracy.step:09}")
        predicted = mlflow.pyfunc.load_model(model.model_uri).predict(data["x"])
        assert (predicted["prediction"] == data["y"]).mean() > 0.5
        assert mlflow.models.get_model_info(model.model_uri).model_id == model.model_id
    history = client.get_metric_history(result.run_id, "epoch/val_accuracy")
    assert [point.step for point in history] == list(range(8, 97, 8))
    assert not Path("runs", result.run_id, ".models").exists()


def test_a_finished_run_that_is_resumed_logs_nothing_twice(make_job: JobMaker, client: MlflowClient) -> None:
    config = make_job(tracking=LOGGED | {"registered_model": "blobs"})
    first = run_job(config)
    before = {model.model_id for name in ("checkpoint", "model") for model in models(client, name)}
    again = run_job(config, resume="auto")
    assert {model.model_id for name in ("checkpoint", "model") for model in models(client, name)} == before
    assert again.model_uri == first.model_uri
    assert len(client.search_model_versions("name = 'blobs'")) == 1
    more = run_job(config.model_copy(update={"train": config.train.model_copy(update={"epochs": 6})}), resume="auto")
    assert more.model_uri != first.model_uri
    assert {model.tags["dist_bp.checkpoint"] for model in models(client, "checkpoint")} == folders(more)


def trained(make_job: JobMaker, epochs: int, **tracking: Any) -> Result:
    config: JobConfig = make_job(
        tracking=LOGGED | {"registered_model": "blobs"} | tracking,
        train={"epochs": epochs},
        checkpoint={"monitor": "val_accuracy"},
    )
    return run_job(config)


def test_the_alias_best_stays_with_the_best_version(
    make_job: JobMaker, client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    worse = trained(make_job, 1, experiment="elsewhere")
    assert client.get_model_version_by_alias("blobs", "best").version == 1
    best = trained(make_job, 10)
    trained(make_job, 1)
    assert best.metrics["val_accuracy"] > worse.metrics["val_accuracy"]
    version = client.get_model_version_by_alias("blobs", "best")
    assert version.version == 2
    assert version.source == client.get_logged_model(str(best.model_uri).rpartition("/")[2]).artifact_location
    assert version.tags == {"monitor": "val_accuracy", "value": repr(best.metrics["val_accuracy"]), "mode": "max"}
    assert len(client.search_model_versions("name = 'blobs'")) == 3
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "models:/blobs@best", "--json"])
    assert ended.value.code in (None, 0)
    assert f'"accuracy": {best.metrics["test_accuracy"]}' in capsys.readouterr().out


def test_a_run_describes_itself(make_job: JobMaker, client: MlflowClient) -> None:
    result = run_job(make_job(metrics=["accuracy", "confusion_matrix"], tracking={"log_model": False}))
    description = client.get_run(result.run_id).data.tags["mlflow.note.content"]
    assert "| loss | " in description
    assert f"| accuracy | &emsp;{result.metrics['train_accuracy']:.4f} | " in description
    figures = {path.path for path in client.list_artifacts(result.run_id, "figures")}
    shown = re.findall(r"!\[.*\]\(get-artifact\?path=([^&]*)&run_uuid=(\w+)\)", description)
    assert {path.replace("%2F", "/") for path, _ in shown} == figures
    assert {run for _, run in shown} == {result.run_id}
    assert "dist-bp train config.yaml" in description
    assert client.search_logged_models(["1"]) == []


def test_a_failed_run_says_why_and_how_to_go_on(make_job: JobMaker, client: MlflowClient) -> None:
    diverging = make_job(
        train={"optimizer": {"type": "sgd", "learning_rate": 1e30}},
        model={"layers": [{"type": "dense", "units": 4}] * 3},
        tracking=LOGGED,
    )
    with pytest.raises(TrainingFailed):
        run_job(diverging)
    assert not list(Path("runs").glob("*/.models"))
    [run] = client.search_runs(["1"])
    description = run.data.tags["mlflow.note.content"]
    assert "**Failed**: the " in description
    assert "is NaN or infinite at step" in description
    assert f"--resume {run.info.run_id}" in description
