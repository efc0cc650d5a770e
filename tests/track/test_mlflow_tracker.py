"""What a run records in MLflow, and what is told where it cannot."""

import json
import math
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient

from dist_bp.track import mlflow_run, mlflow_tracker
from dist_bp.track.figures import loss_curves
from dist_bp.track.mlflow_run import free_name
from dist_bp.track.port import PARENT, ModelPackage, RunStatus
from tests.track.conftest import Open
from tests.track.recorded import artifact, history


@pytest.mark.parametrize("folders", [1, 2])
def test_runs_that_begin_together_get_different_names(
    start: Open, monkeypatch: pytest.MonkeyPatch, folders: int
) -> None:
    def slowly(*arguments: Any) -> str:
        name = free_name(*arguments)
        time.sleep(0.2)
        return name

    monkeypatch.setattr(mlflow_run, "free_name", slowly)
    start().finish("FINISHED")
    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda at: start(spool=f"spool {at % folders}"), range(4)))
    names = {one.run_name for one in begun}
    assert len(names) == 4
    assert "run" not in names
    assert folders > 1 or names == {f"run-{number}" for number in range(2, 6)}
    assert start(tags={PARENT: "a"}).run_name is None


def test_runs_whose_names_begin_alike_hide_no_number(start: Open, client: MlflowClient) -> None:
    start().finish("FINISHED")
    for _ in range(mlflow_run.PAGE):
        client.create_run("1", run_name="run-away")
    assert start().run_name == "run-2"


def test_a_new_run_tells_where_it_comes_from(
    start: Open, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["/somewhere/dist_bp/__main__.py", "train"])
    tracker = start(
        {"train.epochs": "3", "data.source.odd#key": "x"},
        "name: digits # ä\n",
        {"mlflow.note.content": "a network"},
        run_name="first",
    )
    run = client.get_run(tracker.run_id)
    assert run.info.status == "RUNNING"
    assert run.info.run_name == "first"
    assert run.data.params == {"train.epochs": "3", "data.source.odd_key": "x"}
    tags = run.data.tags
    assert tags["mlflow.note.content"] == "a network"
    assert tags["mlflow.source.name"] == "dist-bp"
    assert tags["version.numpy"] == np.__version__
    assert {"version.python", "version.dist_bp", "version.ray", "version.mlflow"} <= tags.keys()
    assert artifact(client, tracker, "config.yaml").read_text() == "name: digits # ä\n"
    assert artifact(client, tracker, "").is_relative_to(tmp_path / "mlartifacts")
    assert f"/#/experiments/{run.info.experiment_id}/runs/{tracker.run_id}?" in str(tracker.run_url)


def test_the_commit_of_the_working_directory_is_a_tag(
    start: Open, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "repository"
    repository.mkdir()
    monkeypatch.chdir(repository)
    assert "mlflow.source.git.commit" not in client.get_run(start().run_id).data.tags
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert client.get_run(start().run_id).data.tags["mlflow.source.git.commit"] == commit.strip()


def test_many_and_long_params_are_recorded(start: Open, client: MlflowClient) -> None:
    tracker = start({f"key.{i}": str(i) for i in range(250)} | {"long": "x" * 10_000}, tags={"t": "y" * 10_000})
    run = client.get_run(tracker.run_id)
    assert len(run.data.params) == 251
    assert run.data.params["long"] == "x" * 6000
    assert run.data.tags["t"] == "y" * 8000


def test_runs_of_one_experiment_share_it(start: Open, client: MlflowClient) -> None:
    ids = {client.get_run(start().run_id).info.experiment_id for _ in range(2)}
    assert len(ids) == 1


def test_metrics_are_durable_after_finish(start: Open, client: MlflowClient) -> None:
    tracker = start()
    for step in range(1, 1501):
        tracker.log(step, {"train/loss": 1 / step, "train/learning_rate": 0.1})
    tracker.log(1500, {"val/loss": math.nan, "val/accuracy": float(np.float32(0.5))})
    assert tracker.finish("FINISHED") == []
    assert history(client, tracker, "train/loss") == [(step, 1 / step) for step in range(1, 1501)]
    assert len(history(client, tracker, "train/learning_rate")) == 1500
    metrics = client.get_run(tracker.run_id).data.metrics
    assert math.isnan(metrics["val/loss"])
    assert metrics["val/accuracy"] == 0.5


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_the_first_finish_sets_the_status(start: Open, client: MlflowClient, status: RunStatus) -> None:
    tracker = start()
    assert tracker.finish(status) == []
    assert tracker.finish("FINISHED") == []
    info = client.get_run(tracker.run_id).info
    assert info.status == status
    assert info.end_time is not None


def test_a_store_that_goes_away_costs_nothing(
    start: Open, client: MlflowClient, package: ModelPackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_tracker, "PATIENCE_SECONDS", 0.3)
    tracker = start()
    tracker.log(1, {"train/loss": 1.0})
    database = tmp_path / "mlflow.db"
    client.get_run(tracker.run_id)
    hidden = database.rename(tmp_path / "hidden.db")
    tracker.log(2, {"train/loss": 2.0})
    tracker.log_tags({"lost": "1"})
    begin = time.monotonic()
    assert tracker.log_model(package, 2, {}) is None
    lines = tracker.finish("FINISHED")
    assert time.monotonic() - begin < 15
    assert len(lines) == 2
    assert "metric values and the end of the run wait in" in lines[0]
    assert "`dist-bp runs replay`" in lines[0]
    assert lines[1] == "MLflow: not recorded: model model"
    hidden.replace(database)

    second = start(resume=tracker.run_id)
    assert second.finish("FINISHED") == []
    assert history(client, second, "train/loss") == [(1, 1.0), (2, 2.0)]


def test_everything_else_is_recorded_in_the_background(start: Open, client: MlflowClient, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    tracker = start()
    tags = {"note": "x"}
    tracker.log_tags(tags)
    tags["note"] = "changed later"
    tracker.log_figure("figures/loss.png", loss_curves([1.0, 0.5]))
    tracker.log_text("summary/text.txt", "hello")
    tracker.log_artifact(folder, "logs")
    tracker.log_artifact(tmp_path / "b.txt")
    tracker.log_dataset("digits", "d" * 64, "sklearn digits", {"x": "float32 (64,)", "y": "int64"}, "training")
    assert tracker.finish("FINISHED") == []
    run = client.get_run(tracker.run_id)
    assert run.data.tags["note"] == "x"
    assert artifact(client, tracker, "figures/loss.png").read_bytes().startswith(b"\x89PNG")
    assert artifact(client, tracker, "summary/text.txt").read_text() == "hello"
    assert artifact(client, tracker, "logs/a.txt").read_text() == "a"
    assert artifact(client, tracker, "b.txt").read_text() == "b"
    [used] = run.inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("digits", "d" * 36)
    assert json.loads(used.dataset.schema)["mlflow_colspec"][1] == {"name": "y", "type": "int64"}
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "training")]


def test_what_cannot_be_recorded_is_told_at_the_end(start: Open, client: MlflowClient, tmp_path: Path) -> None:
    tracker = start()
    tracker.log(1, {"good": 1.0})
    tracker.log_artifact(tmp_path / "missing.txt")
    tracker.log_text("text.txt", "still there")
    [line] = tracker.finish("FINISHED")
    assert line.startswith(f"MLflow: not recorded: {tmp_path}/missing.txt (")
    assert artifact(client, tracker, "text.txt").exists()
    assert client.get_run(tracker.run_id).info.status == "FINISHED"


def test_a_metric_name_that_mlflow_refuses_does_not_end_the_run(start: Open, client: MlflowClient) -> None:
    tracker = start()
    tracker.log(1, {"bad#name": 1.0})
    time.sleep(1.2)
    tracker.log(2, {"good": 1.0})
    [line] = tracker.finish("FINISHED")
    assert "1 metric values are lost" in line
    assert "bad#name" in line
    assert history(client, tracker, "good") == [(2, 1.0)]


def test_a_logged_model_predicts(
    start: Open, uri: str, client: MlflowClient, package: ModelPackage, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = start()
    tracker.log(7, {"val/accuracy": 0.75})
    model_uri = tracker.log_model(package, 7, {"val/accuracy": 0.75, "val/loss": 0.5})
    assert tracker.finish("FINISHED") == []
    assert model_uri is not None

    mlflow.set_tracking_uri(uri)
    shutil.rmtree(package.artifacts["folder"])
    model = mlflow.pyfunc.load_model(model_uri)
    np.testing.assert_allclose(model.predict(pd.DataFrame({"a": [1], "b": [2.0]})), [9.0])
    assert model.metadata.signature.inputs.input_names() == ["a", "b"]
    assert model.metadata.signature.outputs is not None
    np.testing.assert_allclose(model.input_example["b"], [0.5, 1.5])

    [output] = client.get_run(tracker.run_id).outputs.model_outputs
    logged = client.get_logged_model(output.model_id)
    assert (str(logged.status), logged.model_uri, output.step) == ("READY", model_uri, 7)
    assert {m.key: (m.value, m.step) for m in logged.metrics} == {
        "val/accuracy": (0.75, 7),
        "val/loss": (0.5, 7),
    }
    assert history(client, tracker, "val/accuracy") == [(7, 0.75)]
    requirements = Path(logged.artifact_location.removeprefix("file://")) / "requirements.txt"
    assert requirements.read_text().split() == [f"mlflow=={mlflow.__version__}", "numpy==2.4", "pandas"]


def test_a_model_that_cannot_be_logged_does_not_end_the_run(
    start: Open, client: MlflowClient, package: ModelPackage, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('no such layer')\n")
    tracker = start()
    assert tracker.log_model(ModelPackage(**(vars(package) | {"python_model": broken})), 1, {}) is None
    [line] = tracker.finish("FINISHED")
    assert line.startswith("MLflow: not recorded: model model (")
    assert "no such layer" in line
    assert client.get_run(tracker.run_id).info.status == "FINISHED"
