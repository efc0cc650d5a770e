"""What a store could not take is delivered by a later command, once and to the right run."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import RunTag

from dist_bp.errors import TrackingError
from dist_bp.track import mlflow_reader, mlflow_replay, mlflow_tracker, waiting
from dist_bp.track.driver import identity
from dist_bp.track.mlflow_replay import REPLACES, deliver_all
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.port import Tracker
from dist_bp.track.waiting import waiting_runs
from tests.commands import run_here
from tests.track.conftest import Open
from tests.track.recorded import artifact
from tests.track.stores import eventually

DEAD = f"{identity().rpartition(':')[0]}:1"


@pytest.fixture
def cut_off(start: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tracker:
    """A run that ended while its store, now `hidden.db`, was away."""
    monkeypatch.setattr(mlflow_tracker, "PATIENCE_SECONDS", 0.1)
    tracker = start({"epochs": "2"}, "epochs: 2\n", {"kind": "test"})
    (tmp_path / "mlflow.db").rename(tmp_path / "hidden.db")
    for step in (1, 2):
        tracker.log(step, {"step/loss": 1 / step})
    tracker.log_tags({"late": "yes"})
    tracker.log_text("late.txt", "yes")
    assert len(tracker.finish("FINISHED")) == 1
    return tracker


def points(client: MlflowClient, run_id: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run_id, "step/loss")]


def test_points_tags_and_the_end_are_delivered_once(
    cut_off: Tracker, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hidden.db").rename(tmp_path / "mlflow.db")
    monkeypatch.setattr(waiting, "SPOOLS", tmp_path / "spool")
    ended = run_here("runs", "replay")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"run {cut_off.run_id} (run): 2 metric values delivered\n"
    assert run_here("runs", "replay").stdout == "nothing waits here\n"
    assert list((tmp_path / "spool").iterdir()) == []
    with opened_store(uri) as client:
        run = client.get_run(cut_off.run_id)
        assert (run.info.status, run.data.tags["late"]) == ("FINISHED", "yes")
        assert artifact(client, cut_off, "late.txt").read_text() == "yes"
        assert points(client, str(cut_off.run_id)) == [(1, 1.0), (2, 0.5)]


def test_after_a_deleted_database_it_is_a_new_run(
    cut_off: Tracker, uri: str, tmp_path: Path, empty_database: Path
) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_database.read_bytes())
    (line,) = deliver_all(tmp_path / "spool", uri)
    assert "no longer in the store" in line
    with opened_store(uri) as client:
        (run,) = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
        assert run.info.run_id != cut_off.run_id
        assert (run.info.status, run.info.run_name, run.data.params) == ("FINISHED", "run", {"epochs": "2"})
        assert {"late": "yes", "kind": "test", REPLACES: cut_off.run_id}.items() <= run.data.tags.items()
        assert points(client, run.info.run_id) == [(1, 1.0), (2, 0.5)]


def test_the_next_run_delivers_it_too(cut_off: Tracker, start: Open, uri: str, tmp_path: Path) -> None:
    (tmp_path / "hidden.db").rename(tmp_path / "mlflow.db")
    assert start().finish("FINISHED") == []
    with opened_store(uri) as client:
        assert client.get_run(cut_off.run_id).info.status == "FINISHED"
        assert len(points(client, str(cut_off.run_id))) == 2


def test_a_run_that_is_resumed_goes_on_and_keeps_what_waits(
    cut_off: Tracker, start: Open, uri: str, tmp_path: Path
) -> None:
    (tmp_path / "hidden.db").rename(tmp_path / "mlflow.db")
    stale = list(waiting_runs(tmp_path / "spool"))
    again = start(tags={"kind": "resumed"}, resume=cut_off.run_id)
    assert isinstance(again, mlflow_tracker.MlflowTracker)
    again.deliver(stale[0])  # as another run would that has seen what waited before
    with opened_store(uri) as client:
        again.log_tags({"after": "yes"})
        assert eventually(lambda: "after" in client.get_run(again.run_id).data.tags)
        run = client.get_run(again.run_id)
        assert (run.info.status, run.data.tags["late"], run.data.tags["kind"]) == ("RUNNING", "yes", "resumed")
        assert (tmp_path / "spool" / f"{cut_off.run_id}.json").exists()
        assert again.finish("FINISHED") == []
        assert client.get_run(cut_off.run_id).info.status == "FINISHED"
        assert points(client, str(cut_off.run_id)) == [(1, 1.0), (2, 0.5)]


def test_two_commands_at_a_time_deliver_it_once(
    cut_off: Tracker, uri: str, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mlflow.db").write_bytes(empty_database.read_bytes())
    both, find = threading.Barrier(2), mlflow_replay.experiment_id

    def meet(client: MlflowClient, name: str) -> str:
        with suppress(threading.BrokenBarrierError):
            both.wait(1.0)
        return find(client, name)

    with opened_store(uri) as client, ThreadPoolExecutor() as pool:
        find(client, "digits")
        monkeypatch.setattr(mlflow_replay, "experiment_id", meet)
        told = [*pool.map(lambda _: list(deliver_all(tmp_path / "spool", uri)), range(2))]
        assert sorted(map(len, told)) == [0, 1]
        (run,) = client.search_runs([find(client, "digits")])
        assert points(client, run.info.run_id) == [(1, 1.0), (2, 0.5)]


def test_who_goes_on_with_a_run_waits_until_it_is_delivered(
    cut_off: Tracker, start: Open, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hidden.db").rename(tmp_path / "mlflow.db")
    delivering, resumed, make = threading.Event(), threading.Event(), mlflow_replay.tags_of

    def pause(tags: dict[str, str]) -> list[RunTag]:
        delivering.set()
        resumed.wait(1.0)
        return make(tags)

    monkeypatch.setattr(mlflow_replay, "tags_of", pause)
    with opened_store(uri) as client, ThreadPoolExecutor() as pool:
        told = pool.submit(lambda: list(deliver_all(tmp_path / "spool", uri)))
        assert delivering.wait(20)
        again = start(resume=cut_off.run_id)
        resumed.set()
        assert len(told.result(20)) == 1
        assert client.get_run(cut_off.run_id).info.status == "RUNNING"
        assert again.finish("FINISHED") == []


def test_a_run_that_was_deleted_on_purpose_is_not_made_anew(cut_off: Tracker, uri: str, tmp_path: Path) -> None:
    (tmp_path / "hidden.db").rename(tmp_path / "mlflow.db")
    with opened_store(uri) as client:
        client.delete_run(cut_off.run_id)
        (line,) = deliver_all(tmp_path / "spool", uri)
        assert line == f"run {cut_off.run_id} (run): deleted in MLflow, so 2 metric values are dropped"
        assert client.search_runs([client.get_experiment_by_name("digits").experiment_id]) == []
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_cannot_be_delivered_stops_nobody(
    cut_off: Tracker, uri: str, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The experiment is deleted, and a new database does not know the run; another run waits for a second store."""
    monkeypatch.setattr(waiting, "SPOOLS", tmp_path / "spool")
    monkeypatch.setattr(mlflow_reader, "SPOOLS", tmp_path / "spool")
    for database in ("mlflow.db", "other.db"):
        (tmp_path / database).write_bytes(empty_database.read_bytes())
    with opened_store(uri) as client:
        client.delete_experiment(client.create_experiment("digits"))
    path = tmp_path / "spool" / f"{cut_off.run_id}.json"
    content = json.loads(path.read_text())
    other = content | {"run_id": "zz", "store": f"sqlite:///{tmp_path}/other.db"}
    path.with_name("zz.json").write_text(json.dumps(other))

    listed = run_here("runs", "list", "--tracking-uri", uri)
    assert listed.returncode == 0
    assert f"note: what run {cut_off.run_id} (run) has left waits on: " in listed.stderr
    replayed = run_here("runs", "replay")
    assert replayed.returncode == 2
    assert replayed.stdout.startswith("run zz (run): 0 metric values delivered, made anew as ")
    assert replayed.stderr.count("error: ") == 1
    assert "'digits' was deleted" in replayed.stderr
    assert sorted(file.suffix for file in (tmp_path / "spool").iterdir()) == [".json", ".jsonl"]


def test_only_what_nobody_else_delivers_is_due(start: Open, client: MlflowClient, uri: str, tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    tracker = start()
    tracker.log(1, {"step/loss": 1.0})
    tracker.keep()
    assert list(waiting_runs(folder)) == []  # it goes on
    path = folder / f"{tracker.run_id}.json"
    path.write_text(path.read_text().replace(identity(), DEAD))
    (folder / "torn.json").write_text('{"run_id": ')
    for name, driver in (("number", 5), ("word", "x"), ("process", f"{DEAD.partition(':')[0]}:x:1"), ("list", [])):
        content = json.loads(path.read_text()) | {"run_id": name, "driver": driver}
        (folder / f"{name}.json").write_text(json.dumps(content))
    os.mkfifo(folder / "pipe.json")
    assert [found.run_id for found in waiting_runs(folder, uri)] == [tracker.run_id]
    assert list(waiting_runs(folder, "sqlite:////elsewhere.db")) == []
    list(deliver_all(folder, uri))
    assert client.get_run(tracker.run_id).info.status == "FAILED"  # its driver was killed


def test_what_a_container_that_is_gone_has_left_is_named_and_delivered_when_told(
    start: Open, client: MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SPOOLS", tmp_path / "spool")
    tracker = start()
    tracker.log(1, {"step/loss": 1.0})
    tracker.keep()
    path = tmp_path / "spool" / f"{tracker.run_id}.json"
    path.write_text(path.read_text().replace(identity(), "old-container:1:123"))
    named = run_here("runs", "replay")
    assert (named.returncode, named.stderr) == (0, "")
    assert f"run {tracker.run_id} (run): a process on old-container has it: once that has ended, `" in named.stdout
    assert f"runs replay {tracker.run_id}` delivers what it has left" in named.stdout
    assert client.get_run(tracker.run_id).info.status == "RUNNING"
    wrong = run_here("runs", "replay", "zz")
    assert wrong.returncode == 2
    assert "no run zz of a process on another host waits here" in wrong.stderr
    told = run_here("runs", "replay", str(tracker.run_id)[:8])
    assert told.stdout == f"run {tracker.run_id} (run): 1 metric values delivered\n"
    assert client.get_run(tracker.run_id).info.status == "FAILED"
    assert run_here("runs", "replay").stdout == "nothing waits here\n"


def test_a_password_is_asked_for_unless_the_environment_has_it(
    cut_off: Tracker, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = next((tmp_path / "spool").glob("*.json"))
    path.write_text(path.read_text().replace(f"sqlite:///{tmp_path}/mlflow.db", "postgresql://me:***@host/db"))
    with pytest.raises(TrackingError, match=r"1 runs wait for postgresql.* with --tracking-uri"):
        list(deliver_all(tmp_path / "spool", None))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@host/db")
    asked: list[str] = []
    monkeypatch.setattr(mlflow_replay, "opened_store", lambda store: asked.append(store) or opened_store(uri))
    (tmp_path / "hidden.db").rename(tmp_path / "mlflow.db")
    assert len(list(deliver_all(tmp_path / "spool", None))) == 1
    assert asked == ["postgresql://me:secret@host/db"]
