"""A run in MLflow that goes on: every step once."""

import json
import shutil
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from dist_bp.errors import TrackingError
from dist_bp.track import mlflow_tracker
from dist_bp.track.spool import Point, Spool
from dist_bp.track.waiting import waiting_runs
from tests.track.conftest import Open
from tests.track.recorded import artifact, history
from tests.track.stores import eventually


def test_a_resumed_run_holds_every_step_once(start: Open, client: MlflowClient) -> None:
    first = start({"epochs": "3"}, "epochs: 3\n")
    for step in range(1, 11):
        first.log(step, {"train/loss": float(step)})
    first.log(8, {"val/loss": 8.0})
    first.finish("FAILED")

    second = start({"epochs": "5", "extra": "1"}, "epochs: 5\n", {"resumed": "yes"}, resume=first.run_id)
    assert second.run_id == first.run_id
    assert client.get_run(first.run_id).info.status == "RUNNING"
    for step in range(6, 16):
        second.log(step, {"train/loss": float(step)} | ({"val/loss": float(step)} if step % 4 == 0 else {}))
    second.log(3, {"test_loss": 3.0})
    assert second.finish("FINISHED") == []

    assert history(client, second, "train/loss") == [(step, float(step)) for step in range(1, 16)]
    assert history(client, second, "val/loss") == [(8, 8.0), (12, 12.0)]
    assert history(client, second, "test_loss") == [(3, 3.0)]
    run = client.get_run(first.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params == {"epochs": "3", "extra": "1"}
    assert run.data.tags["resumed"] == "yes"
    assert artifact(client, second, "config.yaml").read_text() == "epochs: 5\n"


def test_each_recovery_has_its_points_wherever_a_run_goes_on_from(start: Open, client: MlflowClient) -> None:
    """A fault may come at an earlier step than one that was recorded before the process was killed, or at the same."""
    found = ("system/recovery_seconds", "system/recovery_redone_steps")
    first = start()
    first.log(30, {"step/loss": 1.0} | dict.fromkeys(found, 3.0))
    first.finish("FAILED")
    second = start(resume=first.run_id)
    second.log(25, dict.fromkeys(found, 4.0))
    second.log(30, dict.fromkeys(found, 5.0))
    second.finish("FINISHED")
    for name in found:
        assert sorted(history(client, second, name)) == [(25, 4.0), (30, 3.0), (30, 5.0)]


def test_a_nested_run_that_nobody_was_told_of_is_found_by_its_name(start: Open) -> None:
    first = start()
    known, lost = first.open_child("trial 0"), first.open_child("trial 1")
    first.finish("FAILED")
    second = start(resume=first.run_id)
    assert second.open_child("trial 1") == lost
    assert second.open_child("trial 2") not in (known, lost)
    assert start().open_child("trial 1") != lost


def test_the_spool_of_a_resumed_run_is_replayed(start: Open, client: MlflowClient, tmp_path: Path) -> None:
    first = start()
    for step in range(1, 6):
        first.log(step, {"train/loss": float(step)})
    first.finish("FAILED")
    stored = client.get_metric_history(first.run_id, "train/loss")[-1]
    spool = Spool(tmp_path / "spool" / f"{first.run_id}.jsonl")
    again = Point(stored.key, stored.value, stored.timestamp, stored.step)
    spool.append([again, *(Point("train/loss", float(step), 1_000 + step, step) for step in range(6, 9))])

    second = start(resume=first.run_id)
    for step in range(4, 11):
        second.log(step, {"train/loss": float(step)})
    assert second.finish("FINISHED") == []
    assert history(client, second, "train/loss") == [(step, float(step)) for step in range(1, 11)]
    assert not spool.path.exists()


def test_tags_and_texts_before_a_checkpoint_outlive_the_driver(
    start: Open, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mlflow_tracker, "PATIENCE_SECONDS", 0.1)
    first = start(spool="dead")
    (tmp_path / "mlflow.db").rename(tmp_path / "hidden.db")
    first.log_tags({"deaths": "1", "of": "first"})
    first.log_text("texts/epoch-0001.txt", "once")
    first.keep()
    shutil.copytree(tmp_path / "dead", tmp_path / "spool")  # as its death would leave them
    first.finish("FAILED")
    (tmp_path / "hidden.db").rename(tmp_path / "mlflow.db")
    second = start(tags={"of": "second"}, resume=first.run_id)
    second.log_text("texts/epoch-0002.txt", "twice")
    assert second.finish("FINISHED") == []
    tags = client.get_run(first.run_id).data.tags
    assert (tags["deaths"], tags["of"]) == ("1", "second")
    texts = [artifact(client, second, f"texts/epoch-000{epoch}.txt").read_text() for epoch in (1, 2)]
    assert texts == ["once", "twice"]
    assert not list((tmp_path / "spool").iterdir())


@pytest.mark.parametrize("before", [None, "runs/.journal"])
def test_what_waits_is_found_from_another_folder(
    start: Open, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    """As in a new container with the disk of the checkpoints; earlier versions kept it where they worked."""
    monkeypatch.setattr(mlflow_tracker, "PATIENCE_SECONDS", 0.1)
    here, there = ("here", "there") if before else ("here", "here")
    first = start(spool=here, journal=before and tmp_path / before)
    (tmp_path / "mlflow.db").rename(tmp_path / "hidden.db")
    first.log(1, {"train/loss": 1.0})
    first.log_tags({"deaths": "1"})
    first.keep()
    assert len(first.finish("FAILED")) == 1
    (tmp_path / "hidden.db").rename(tmp_path / "mlflow.db")
    second = start(spool=there, journal=tmp_path / "runs" / ".journal", resume=first.run_id)
    second.log(1, {"train/loss": 7.0})
    second.log(2, {"train/loss": 2.0})
    assert second.finish("FINISHED") == []
    assert history(client, second, "train/loss") == [(1, 1.0), (2, 2.0)]
    assert client.get_run(first.run_id).data.tags["deaths"] == "1"
    assert list(waiting_runs(tmp_path / here)) == []
    assert not [path for path in tmp_path.rglob(f"{first.run_id}.json*") if "mlartifacts" not in path.parts]


def test_a_tag_that_was_recorded_after_all_waits_no_more(start: Open, client: MlflowClient, tmp_path: Path) -> None:
    tracker = start()
    (tmp_path / "mlflow.db").rename(tmp_path / "hidden.db")
    tracker.log_tags({"deaths": "1"})
    tracker.keep()
    kept = tmp_path / "spool" / f"{tracker.run_id}.json"
    assert json.loads(kept.read_text())["tags"] == {"deaths": "1"}
    (tmp_path / "hidden.db").rename(tmp_path / "mlflow.db")
    assert eventually(lambda: json.loads(kept.read_text())["tags"] == {}, 20)
    assert client.get_run(tracker.run_id).data.tags["deaths"] == "1"


def test_system_metrics_go_on_where_a_resumed_run_stopped(start: Open, client: MlflowClient) -> None:
    options = {"system_metrics": True, "system_metrics_seconds": 0.05}
    tracker = start(**options)
    time.sleep(0.3)
    begin = time.monotonic()
    assert tracker.finish("FAILED") == []
    assert time.monotonic() - begin < 10
    name = "system/cpu_utilization_percentage"
    before = history(client, tracker, name)
    assert [step for step, _ in before] == list(range(len(before)))
    assert len(before) >= 2
    assert all(key.startswith("system/") for key in client.get_run(tracker.run_id).data.metrics)

    again = start(resume=tracker.run_id, **options)
    time.sleep(0.2)
    again.finish("FINISHED")
    after = [step for step, _ in history(client, tracker, name)]
    assert len(after) > len(before)
    assert after == list(range(len(after)))


def test_a_run_that_is_not_there_cannot_be_resumed(start: Open, client: MlflowClient) -> None:
    with pytest.raises(TrackingError, match="has no run 0123: set tracking"):
        start(resume="0123")
    tracker = start()
    tracker.finish("FAILED")
    client.delete_run(tracker.run_id)
    with pytest.raises(TrackingError, match=f"mlflow runs restore --run-id {tracker.run_id}"):
        start(resume=tracker.run_id)
