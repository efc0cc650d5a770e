"""A process that opens many stores, one after the other, holds only those that are in use."""

import shutil
from pathlib import Path

import pytest

from dist_bp.track.mlflow_open import open_tracker
from dist_bp.track.mlflow_reader import opened_reader
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.port import ModelPackage, Registration, TrackingSettings
from tests.database import left_open
from tests.track.conftest import Open


def test_whoever_is_the_last_to_have_a_store_open_closes_it(uri: str) -> None:
    with opened_store(uri) as client:
        with opened_store(uri) as other:
            other.search_experiments()
        assert set(left_open()) == {client.tracking_uri.removeprefix("sqlite:///")}
    assert left_open() == []


def test_a_closed_store_can_be_opened_again(uri: str) -> None:
    for _ in range(2):
        with opened_store(uri) as client:
            assert [experiment.name for experiment in client.search_experiments()] == ["Default"]
        assert left_open() == []


def test_finished_runs_leave_no_store_open(start: Open, package: ModelPackage, uri: str) -> None:
    tracker = start(system_metrics=True, system_metrics_seconds=0.05)
    model = tracker.log_model(package, 1, {"val/loss": 0.5})
    assert model
    tracker.register_model(model, Registration("sums", "val_loss", 0.5, "min"))
    tracker.close_child(tracker.open_child("nested"), "FINISHED")
    assert left_open()
    assert tracker.finish("FINISHED") == []
    assert left_open() == []
    with opened_reader(uri, "digits", pytest.fail) as reader:
        assert len(reader.runs()) == 2
    assert left_open() == []


def test_many_stores_of_one_process(tmp_path: Path, empty_database: Path) -> None:
    for number in range(4):
        folder = tmp_path / str(number)
        folder.mkdir()
        shutil.copy(empty_database, folder / "mlflow.db")
        settings = TrackingSettings(f"sqlite:///{folder}/mlflow.db", "digits", folder, system_metrics=False)
        tracker = open_tracker(settings, {}, "", {})
        tracker.log(1, {"loss": 1.0})
        assert {Path(path).parent for path in left_open()} == {folder}
        assert tracker.finish("FINISHED") == []
        assert left_open() == []
