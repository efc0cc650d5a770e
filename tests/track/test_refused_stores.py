"""Stores that cannot be used are told at the start, in a line."""

import sqlite3
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from mlflow import MlflowClient

from dist_bp.errors import TrackingError
from dist_bp.track.mlflow_open import open_tracker
from dist_bp.track.port import TrackingSettings
from tests.database import rows
from tests.track.conftest import Open


def test_a_deleted_experiment_is_told_with_the_remedy(start: Open, client: MlflowClient) -> None:
    experiment = client.get_run(start().run_id).info.experiment_id
    client.delete_experiment(experiment)
    with pytest.raises(TrackingError, match=f"restore --experiment-id {experiment}"):
        start()


def test_artifacts_that_cannot_be_written_are_told_at_the_start(start: Open, client: MlflowClient) -> None:
    with pytest.raises(TrackingError, match="cannot be used") as error:
        start(artifact_location="file:///proc/nowhere")
    assert len(error.value.problems) == 1
    [run] = client.search_runs(["1"])
    assert run.info.status == "FAILED"


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("create table alembic_version (version_num text)")
    connection.execute("insert into alembic_version values ('of another program')")
    connection.execute("create table experiments (x int)")
    connection.commit()
    connection.close()
    with pytest.raises(TrackingError) as error:
        open_tracker(TrackingSettings(f"sqlite:///{path}", "x", tmp_path), {}, "", {})
    assert len(error.value.problems) == 1
    assert "\n" not in str(error.value)


def test_a_file_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="write sqlite:"):
        open_tracker(TrackingSettings(str(tmp_path / "mlruns"), "x", tmp_path), {}, "", {})


class _NotMlflow(BaseHTTPRequestHandler):
    """Answers like some other web server."""

    def do_GET(self) -> None:
        self.send_error(404)

    do_POST = do_GET

    def log_message(self, *_: object) -> None:
        pass


def test_a_server_that_is_not_mlflow_is_told_in_one_line(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), _NotMlflow) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        begin = time.monotonic()
        with pytest.raises(TrackingError) as error:
            open_tracker(TrackingSettings(f"http://127.0.0.1:{server.server_port}", "x", tmp_path), {}, "", {})
        server.shutdown()
        thread.join()
    assert time.monotonic() - begin < 15
    assert "cannot be used" in str(error.value)
    assert len(error.value.problems) == 1


def test_two_processes_create_the_database_together_and_quietly(tmp_path: Path) -> None:
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "factor.txt").write_text("2")
    command = [sys.executable, "-W", "error", "-m", "tests.track.record_a_run", str(tmp_path)]
    root = Path(__file__).parent.parent.parent
    processes = [
        subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert outputs == ["", ""]
    assert [process.returncode for process in processes] == [0, 0]
    query = "select status from runs join experiments using (experiment_id) where experiments.name = 'shared'"
    assert rows(query, path=tmp_path / "mlflow.db") == [("FINISHED",)] * 2
    assert {path.name for path in tmp_path.iterdir()} == {"artifacts", "mlartifacts", "mlflow.db", "spool"}
    assert list((tmp_path / "spool").iterdir()) == []
