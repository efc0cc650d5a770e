"""Checkpoints mirrored into MLflow: what a killed process left, what a user registered, what fails."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelStatus

from dist_bp.track import mlflow_tracker
from dist_bp.track.port import ModelPackage, Registration, StoredCheckpoint
from tests.track.conftest import Open
from tests.track.stores import eventually


class Folder:
    """Checkpoints that a test makes and removes."""

    def __init__(self, folder: Path, package: ModelPackage) -> None:
        self.scratch = folder / "scratch"
        self.scratch.mkdir()
        self.there: dict[str, int] = {}
        self.pruned_meanwhile: set[str] = set()
        self.packed = package

    def stored(self) -> Sequence[StoredCheckpoint]:
        return [StoredCheckpoint(Path("runs", name), step, {"val/loss": 1 / step}) for name, step in self.there.items()]

    def package(self, checkpoint: StoredCheckpoint, folder: Path) -> ModelPackage | None:
        if checkpoint.path.name in self.pruned_meanwhile:
            return None
        folder.mkdir()
        (folder / "factor.txt").write_text(str(checkpoint.step))
        return replace(self.packed, artifacts={"folder": folder})


@pytest.fixture
def folder(tmp_path: Path, package: ModelPackage, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setattr(mlflow_tracker, "MIRROR_SECONDS", 0.0)
    monkeypatch.setattr(mlflow_tracker, "MIRROR_REST", 0.0)
    return Folder(tmp_path, package)


def logged(client: MlflowClient) -> dict[str, LoggedModel]:
    found = client.search_logged_models(["1"], "name = 'checkpoint'")
    ready = [model for model in found if model.status == LoggedModelStatus.READY]
    return {Path(model.tags["dist_bp.checkpoint"]).name: model for model in ready}


def files(model: LoggedModel) -> Path:
    return Path(model.artifact_location.removeprefix("file://"))


def test_models_come_and_go_with_their_checkpoints(start: Open, client: MlflowClient, folder: Folder) -> None:
    tracker = start()
    folder.there = {"a": 1, "b": 2, "c": 3}
    folder.pruned_meanwhile = {"c"}
    tracker.log_checkpoints(folder)
    assert eventually(lambda: logged(client).keys() == {"a", "b"}, 20)
    gone = logged(client)["a"]
    assert (files(gone) / "MLmodel").exists()
    folder.there = {"b": 2, "d": 4}
    assert tracker.finish("FINISHED") == []
    models = logged(client)
    assert models.keys() == {"b", "d"}
    assert not files(gone).exists()
    assert [(metric.key, metric.value, metric.step) for metric in models["d"].metrics] == [("val/loss", 0.25, 4)]
    assert (files(models["d"]) / "artifacts/model/factor.txt").read_text() == "4"


def test_a_resumed_run_goes_on_with_its_models(start: Open, client: MlflowClient, folder: Folder) -> None:
    first = start()
    folder.there = {"a": 1, "b": 2}
    first.log_checkpoints(folder)
    first.finish("FAILED")
    before = logged(client)
    client.create_logged_model("1", "checkpoint", first.run_id, {"dist_bp.checkpoint": "half"})
    again = start(resume=first.run_id)
    folder.there = {"b": 2, "c": 3}
    again.log_checkpoints(folder)
    assert again.finish("FINISHED") == []
    assert logged(client).keys() == {"b", "c"}
    assert logged(client)["b"].model_id == before["b"].model_id


def test_a_model_that_somebody_registered_stays(start: Open, client: MlflowClient, folder: Folder) -> None:
    tracker = start()
    folder.there = {"a": 1}
    tracker.log_checkpoints(folder)
    tracker.finish("KILLED")
    model = logged(client)["a"]
    again = start(resume=tracker.run_id)
    again.register_model(model.model_uri, Registration("mine", "val_loss", 1.0, "min"))
    folder.there = {"b": 2}
    again.log_checkpoints(folder)
    assert again.finish("FINISHED") == []
    assert logged(client).keys() == {"a", "b"}
    assert (files(model) / "MLmodel").exists()


def test_a_value_that_is_no_number_is_never_the_best(start: Open, client: MlflowClient, package: ModelPackage) -> None:
    tracker = start()
    for value in (float("nan"), 2.0, 3.0):
        uri = tracker.log_model(package, 1, {})
        tracker.register_model(str(uri), Registration("net", "val_accuracy", value, "max"))
    tracker.register_model(str(uri), Registration("net", "val_accuracy", 3.0, "max"))
    assert tracker.finish("FINISHED") == []
    assert client.get_model_version_by_alias("net", "best").version == 3
    assert len(client.search_model_versions("name = 'net'")) == 3


def test_checkpoints_that_cannot_be_packed_are_told_once(
    start: Open, client: MlflowClient, folder: Folder, package: ModelPackage, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("raise RuntimeError('no such layer')\n")
    folder.packed = replace(package, python_model=broken)
    tracker = start()
    folder.there = {"a": 1}
    tracker.log_checkpoints(folder)
    tracker.log_text("text.txt", "still there")
    [line] = tracker.finish("FINISHED")
    assert line.startswith("MLflow: not recorded: checkpoints (")
    assert "no such layer" in line
    assert logged(client) == {}
