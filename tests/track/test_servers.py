"""A job recorded by an MLflow server: its runs on SQLite or PostgreSQL, its files through the server."""

import os
import shutil
import signal
import socket
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import mlflow
import numpy as np
import pytest

from dist_bp.cli.main import main
from dist_bp.processes import mentioning
from dist_bp.track.mlflow_reader import opened_reader
from dist_bp.track.server import serving
from dist_bp.train.job import run_job
from dist_bp.train.observer import Observer
from tests.conftest import JobMaker
from tests.track.postgres import postgres


@contextmanager
def sqlite(empty_database: Path) -> Iterator[str]:
    shutil.copy(empty_database, "server.db")
    yield f"sqlite:///{Path('server.db').absolute()}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def server(workplace: Path) -> Iterator[str]:
    """The address of an MLflow server on a PostgreSQL of its own."""
    port = free_port()
    with postgres() as uri, serving(uri, port):
        assert not mentioning(uri)  # it may hold a password
        yield f"http://127.0.0.1:{port}"


def test_a_job_is_recorded_and_read_back(
    server: str, make_job: JobMaker, workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracking = {"tracking_uri": server, "log_model": True, "registered_model": "blobs"}
    config = make_job(tracking=tracking, checkpoint={"keep": 1}, metrics=["accuracy"])
    result = run_job(config)
    run_job(config, resume="auto")
    with opened_reader(server, "blobs", pytest.fail) as reader:
        [run] = reader.runs("metrics.`val_accuracy` > 0.1")
        [again] = reader.runs(sort=None, limit=5)
        models = reader.models(f"source_run_id = '{run.run_id}'")[run.run_id]
        steps = [step for step, _ in reader.history(run.run_id, "step/loss")]
        assert {"config.yaml", "figures/loss.png"} <= set(reader.artifacts(run.run_id))
    assert (run.run_id, run.status, run.params["train.epochs"]) == (result.run_id, "FINISHED", "4")
    assert again == run
    assert run.url == result.run_url
    assert steps == list(range(1, 33))
    checkpoints = [model for model in models if model.name == "checkpoint"]
    assert len(checkpoints) == len(list(Path(result.checkpoint).parent.iterdir()))
    assert [model.uri for model in models if model.name == "model"] == [result.model_uri]
    assert not Path("mlflow.db").exists()

    Path("server.yaml").write_text(Path(result.model, "config.yaml").read_text())
    mlflow.set_tracking_uri("sqlite:///nowhere/mlflow.db")
    for name in ("models:/blobs@best", "models:/blobs/1", result.model_uri):
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", name, "--config", "server.yaml", "--json"])
        assert ended.value.code in (None, 0)
        assert f'"accuracy": {result.metrics["test_accuracy"]}' in capsys.readouterr().out

    mlflow.set_tracking_uri(server)
    data = np.load("blobs.npz")
    for number, model in enumerate(models):
        Path(f"loaded {number}").mkdir()  # MLflow's own choice is a temporary folder, which it leaves behind
        loaded = mlflow.pyfunc.load_model(model.uri, dst_path=f"loaded {number}")
        assert len(loaded.predict(data["x"])) == len(data["x"])
    figure = f"{server}/get-artifact?path=figures%2Floss.png&run_uuid={run.run_id}"
    with urllib.request.urlopen(figure, timeout=10) as image:
        assert image.read().startswith(b"\x89PNG")


class Killing(Observer):
    """Kills the server as epoch 2 ends, and has another one in its place before epoch 6 does."""

    def __init__(self, uri: str, servers: ExitStack) -> None:
        self.port = free_port()
        self._start = lambda: servers.enter_context(serving(uri, self.port))
        self._server = self._start()

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        if epoch == 2:
            assert self._server
            os.killpg(self._server.pid, signal.SIGKILL)
        elif epoch == 6:
            self._start()


def test_a_server_that_is_killed_within_a_run_has_all_of_it_in_the_end(
    make_job: JobMaker, empty_database: Path
) -> None:
    """Training goes on meanwhile, and what was measured waits in the journal."""
    slow = {"type": "tests.runtime.layers:Slow", "seconds": 0.02}  # the background writes once a second
    with sqlite(empty_database) as uri, ExitStack() as servers:
        killing = Killing(uri, servers)
        address = f"http://127.0.0.1:{killing.port}"
        config = make_job(
            model={"layers": [slow]}, train={"epochs": 8}, tracking={"tracking_uri": address, "every_steps": 1}
        )
        result = run_job(config, observer=killing)
        with opened_reader(address, "blobs", pytest.fail) as reader:
            [run] = reader.runs()
            steps = [step for step, _ in reader.history(run.run_id, "step/loss")]
            assert {"config.yaml", "figures/loss.png"} <= set(reader.artifacts(run.run_id))
    assert (run.run_id, run.status) == (result.run_id, "FINISHED")
    assert steps == list(range(1, 65))
    assert not list(Path("runs/.journal").iterdir())
