"""A real local head with token authentication: what is refused there, and jobs: followed, listed, stopped, retried.

One file, since each head takes many seconds of a processor.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

import numpy as np
import psutil
import pytest

from dist_bp.checkpoint import load
from dist_bp.submit.address import Dashboard
from dist_bp.submit.client import ENDED, JobsClient
from dist_bp.submit.head import offer_head
from tests.submit.local_head import ENDLESS, LONG, Place, driver_of, wait_for

JOBS = Path(__file__).parent.parent.parent / "jobs"
EPOCHS = [*LONG, "train.epochs=100", "checkpoint.every_epochs=5"]


def refused(place: Place, *arguments: str, **environment: str) -> str:
    """What a command says that is refused: clear lines with the remedy, exit code 2, nothing sent."""
    started = time.monotonic()
    ended = place.run(*arguments, **environment)
    assert time.monotonic() - started < 15
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert all(line.startswith("error: ") for line in ended.stderr.splitlines())
    return ended.stderr


@pytest.mark.parametrize(
    ("command", "environment", "message"),
    [
        ("submit digits.yaml", {"RAY_AUTH_TOKEN": "wrong"}, "refuses the token of RAY_AUTH_TOKEN: it belongs to"),
        ("jobs list", {"RAY_AUTH_TOKEN_PATH": "/nowhere"}, "the token file /nowhere cannot be read"),
        ("jobs list --address 127.0.0.1:9", {}, "http://127.0.0.1:9 does not answer .*: give the address of a running"),
        ("jobs list --address 127.0.0.1:99999", {}, "give the address of a Ray dashboard, such as http://HOST:8265"),
        ("jobs list --address ray://127.0.0.1:10001", {}, "give the address of a Ray dashboard"),
        ("jobs list", {"XDG_STATE_HOME": "/nowhere"}, "no cluster: start a local one with `dist-bp cluster up`"),
        (
            "jobs list",
            {"XDG_STATE_HOME": "/nowhere", "RAY_ADDRESS": "http://127.0.0.1:9"},
            "127.0.0.1:9 does not answer",
        ),
        ("jobs list", {"RAY_JOB_HEADERS": "X-User: me"}, "RAY_JOB_HEADERS: must be a JSON object of strings"),
        ("jobs status nothing", {}, "there is no job nothing at .*: `dist-bp jobs list`"),
        ("jobs stop nothing", {}, "there is no job nothing"),
        ("jobs logs nothing -f", {}, "there is no job nothing"),
        ("submit none.yaml", {}, "none.yaml: there is no such file"),
        ("submit ../outside.yaml", {}, "outside.yaml lies outside of the working directory .*: go to its folder"),
        ("submit digits.yaml train.epoch=3", {}, "unknown key 'epoch': did you mean 'epochs'"),
        ("submit digits.yaml --env A", {}, "--env A: must have the form KEY=VALUE"),
        ("submit digits.yaml --entrypoint-resources [1]", {}, "must be a JSON object of numbers"),
        ("submit digits.yaml --submission-id a/b", {}, "use letters, digits"),
        ("submit digits.yaml --submission-id=", {}, "use letters, digits"),
        ("submit digits.yaml --submission-id ..", {}, "use letters, digits"),
        ("submit digits.yaml --runtime-env /dev/zero", {}, "cannot be read: it is a device or a socket, not a file"),
        ("submit digits.yaml --resume=", {}, "--resume '': say what to go on with"),
        ("submit digits.yaml --resume nothing", {}, "--resume: nothing is neither a run in"),
        ("submit digits.yaml --runtime-env none.yaml", {}, "--runtime-env none.yaml: cannot be read"),
        ("submit digits.yaml --runtime-env env.yaml", {}, "unknown 'pipp'"),
    ],
)
def test_wrong_input(place: Place, command: str, environment: dict[str, str], message: str) -> None:
    (place.folder.parent / "outside.yaml").write_bytes((place.folder / "digits.yaml").read_bytes())
    (place.folder / "env.yaml").write_text("pipp: [numpy]\n")
    try:
        told = refused(place, *command.split(), **environment)
    finally:
        (place.folder / "env.yaml").unlink()
    assert re.search(message, told), told
    assert len(told.splitlines()) == 1


def test_an_explicit_address_wins_over_rays_variables(place: Place) -> None:
    elsewhere = {"RAY_ADDRESS": "http://127.0.0.1:9", "RAY_API_SERVER_ADDRESS": "http://127.0.0.1:9"}
    assert place.run("jobs", "list", "--address", place.head()["address"], **elsewhere).returncode == 0


def test_all_problems_at_once(place: Place) -> None:
    told = refused(place, "submit", "../outside.yaml", "--env", "A", "--submission-id", "a/b")
    assert len(told.splitlines()) == 3


def test_too_large_a_folder_names_its_largest_files(place: Place) -> None:
    large = place.folder / "large.bin"
    with large.open("wb") as file:
        file.truncate(120_000_000)
    try:
        told = refused(place, "submit", "digits.yaml")
    finally:
        large.unlink()
    assert re.search(r"holds 120 MB in 2 files, Ray takes 105 MB; the largest are large\.bin \(120 MB\)", told), told


class OtherCluster(BaseHTTPRequestHandler):
    """What a dashboard on another machine answers first."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"session_name": "session_of_another_machine"}).encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def remote() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OtherCluster) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_remote_cluster_gets_no_files_of_this_machine(place: Place, remote: str) -> None:
    source = "data.source={type: csv, path: data/train.csv, target: y}"
    told = refused(place, "submit", "digits.yaml", source, "--retries", "1", "--address", remote)
    database, data, checkpoints = told.splitlines()
    assert "sqlite:///mlflow.db is a file of one machine" in database
    assert "set tracking.tracking_uri=http://HOST:5000" in database
    assert "data.source.path: data/train.csv lies on this machine" in data
    assert "checkpoint.directory: runs would lie in the job's own folder" in checkpoints
    assert not list(Path(place.folder).glob("mlflow.db-*"))


@pytest.fixture(scope="module")
def finished(place: Place) -> str:
    """The MLflow run of a job, of one process, that was followed to its end."""
    options = ["scaling.num_workers=0", "--submission-id", "whole", "--env", "A=1", "--json"]
    ended = place.run_apart("submit", "digits.yaml", *EPOCHS, *options)
    assert ended.returncode == 0, ended.stderr
    assert re.search(r"^uploading 1 file, 1\.\d kB: digits\.yaml$", ended.stderr, re.MULTILINE)
    assert re.search(r"^run http://\S+", ended.stderr, re.MULTILINE)
    assert re.search(r"^test_accuracy +0\.9\d+$", ended.stderr, re.MULTILINE)
    (line,) = ended.stdout.splitlines()
    result = json.loads(line)
    assert (result["submission_id"], result["status"], result["files"]) == ("whole", "SUCCEEDED", 1)
    return str(result["mlflow_run_id"])


def test_job_and_run_know_each_other(place: Place, finished: str) -> None:
    assert place.run_status(finished) == "FINISHED"
    tag = "select value from tags where run_uuid = ? and key = 'ray.submission_id'"
    assert place.mlflow(tag, finished) == ("whole",)
    (job,) = (job for job in place.json("jobs", "list")["jobs"] if job["submission_id"] == "whole")
    assert (job["status"], job["mlflow_run_id"]) == ("SUCCEEDED", finished)
    assert job["metadata"]["job_name"] == "digits"
    shown = place.run("jobs", "status", "whole").stdout
    assert "SUCCEEDED" in shown
    assert finished in shown
    assert "test_accuracy" in place.run("jobs", "logs", "whole").stdout
    assert "job whole has ended already" in place.run("jobs", "stop", "whole").stderr


def test_a_killed_driver_goes_on_in_the_same_run_with_the_same_parameters(place: Place, finished: str) -> None:
    """Also where a worker of Ray's computes what the job that nobody killed has computed in its own process."""
    options = ["scaling.num_workers=1", "--submission-id", "retried", "--retries", "1", "--no-wait"]
    place.json("submit", "digits.yaml", *EPOCHS, *options)
    driver = wait_for(lambda: driver_of("retried"))
    run = wait_for(lambda: place.runs_with_checkpoints() - {finished}).pop()
    driver.kill()
    ended = place.run("jobs", "logs", "retried", "-f", "--json")
    assert ended.returncode == 0, ended.stderr
    assert f"the driver was killed by SIGKILL; attempt 2 of 2 goes on with {run}" in ended.stderr
    assert json.loads(ended.stdout)["mlflow_run_id"] == run
    assert place.run_status(run) == "FINISHED"
    one, other = (load(place.folder / "runs" / name / "model", for_resuming=False) for name in (finished, run))
    for name, values in one.parameters.items():
        assert np.array_equal(values, other.parameters[name])


def test_stop_saves_a_checkpoint_and_closes_the_run(place: Place) -> None:
    place.json("submit", "digits.yaml", *ENDLESS, "scaling.num_workers=1", "--submission-id", "stopped", "--no-wait")
    run = place.run_id("stopped")
    following = place.start("jobs", "logs", "stopped", "-f")
    assert following.stdout
    wait_for(lambda: re.match(r"epoch \d+/1000000  step \d+/\d+  loss .* left$", following.stdout.readline()))
    following.send_signal(signal.SIGINT)
    _, told = following.communicate(timeout=10)
    assert following.returncode == 130
    assert "detached, job stopped goes on: `dist-bp jobs logs stopped -f` comes back to it" in told
    again = place.start("jobs", "logs", "stopped", "-f")
    result = place.json("jobs", "stop", "stopped")
    saved = re.search(r"SIGTERM after step (\d+): checkpoint saved", result["last_line"])
    assert saved
    assert (result["status"], place.run_status(run)) == ("STOPPED", "KILLED")
    checkpoint = f"step-{int(saved[1]):09}"
    assert (place.folder / "runs" / run / "checkpoints" / checkpoint / "manifest.json").is_file()
    log, _ = again.communicate(timeout=30)
    assert again.returncode == 130
    assert log.count("Running entrypoint") == 1
    assert result["last_line"] in log
    assert place.json("jobs", "stop", "stopped")["status"] == "STOPPED"


def test_a_second_stop_ends_a_job_at_once(place: Place) -> None:
    alone = ["scaling.num_workers=0", "--retries", "3", "--no-wait"]
    place.json("submit", "digits.yaml", *ENDLESS, "--submission-id", "hanging", *alone)
    run = place.run_id("hanging")
    driver = wait_for(lambda: driver_of("hanging"))
    driver.suspend()
    first = place.start("jobs", "stop", "hanging")
    assert first.stderr
    assert "stopping job hanging" in first.stderr.readline()
    time.sleep(1)  # the request is on its way
    first.send_signal(signal.SIGINT)
    assert "again ends it at once" in first.communicate(timeout=10)[1]
    assert place.json("jobs", "stop", "hanging")["status"] == "STOPPED"
    psutil.wait_procs([driver], timeout=10)
    assert not driver.is_running()
    wait_for(lambda: place.run_status(run) == "FAILED")
    assert not list((place.state / "dist_bp" / "stopping").iterdir())


def test_a_job_that_waits_for_resources_is_stopped(place: Place) -> None:
    waits = ["--submission-id", "waiting", "--entrypoint-resources", '{"nothing": 1}', "--no-wait"]
    assert place.json("submit", "digits.yaml", *waits)["status"] == "PENDING"
    assert place.json("jobs", "stop", "waiting")["status"] == "STOPPED"


def test_a_sweep_whose_driver_is_killed_goes_on(place: Place) -> None:
    rates = "train.optimizer.learning_rate: {type: grid, values: [1e-2, 1e-3]}"
    sweep = f"sweep={{metric: val_accuracy, search: grid, max_concurrent: 1, parameters: {{{rates}}}}}"
    settings = [sweep, "train.epochs=4", "scaling.num_workers=0", "--sweep"]
    place.json("submit", "digits.yaml", *settings, "--submission-id", "sweep", "--retries", "1", "--no-wait")
    driver = wait_for(lambda: driver_of("sweep", "sweep"))
    ended = '"event": "end"'
    wait_for(lambda: any(ended in path.read_text() for path in place.folder.glob("runs/sweeps/*/trials.jsonl")))
    driver.kill()
    followed = place.run("jobs", "logs", "sweep", "-f", "--json")
    assert followed.returncode == 0, followed.stderr
    assert "the driver was killed by SIGKILL; attempt 2 of 2 goes on with digits-" in followed.stderr
    parent = json.loads(followed.stdout)["mlflow_run_id"]
    below = "select count(*), count(distinct run_uuid) from tags where key = 'mlflow.parentRunId' and value = ?"
    assert place.mlflow(below, parent) == (2, 2)
    assert place.run_status(parent) == "FINISHED"
    (journal,) = place.folder.glob("runs/sweeps/*/trials.jsonl")
    assert journal.read_text().count(ended) == 2


def test_whoever_looks_for_a_ray_is_offered_the_head(place: Place) -> None:
    """With it trains what is not submitted, as the one that loses its GCS does (tests/submit/test_cluster.py)."""
    with patch.dict(os.environ, place.environment | {"RAY_ADDRESS": "elsewhere:1"}, clear=True):
        offer_head("auto")
        assert os.environ["RAY_ADDRESS"] == "elsewhere:1"
        del os.environ["RAY_ADDRESS"]
        offer_head("local")
        assert "RAY_ADDRESS" not in os.environ
        offer_head("auto")
        assert os.environ["RAY_ADDRESS"] == place.head()["ray_address"]


def test_entry_points_run_as_plain_ray_jobs(place: Place) -> None:
    """As `ray job submit -- python jobs/train.py CONFIG` does."""
    head = place.head()
    client = JobsClient(Dashboard(head["address"], Path(head["token_path"]).read_text()))
    settings = "train.epochs=3 tracking.log_model=false tracking.tracking_uri=sqlite:///mlflow.db"
    entry = f"cd {place.folder} && python {JOBS}/train.py digits.yaml {settings}"
    name = client.submit({"entrypoint": entry, "submission_id": "plain"})
    wait_for(lambda: client.job(name)["status"] in ENDED)
    result = json.loads(client.logs(name).splitlines()[-1])
    assert result["num_workers"] == 2
    assert place.json("jobs", "status", "plain")["mlflow_run_id"] == result["run_id"]
    evaluated = subprocess.run(
        [sys.executable, JOBS / "evaluate.py", result["run_id"]], cwd=place.folder, capture_output=True, text=True
    )
    accuracy = json.loads(evaluated.stdout)["metrics"]["accuracy"]
    assert accuracy == pytest.approx(result["metrics"]["test_accuracy"])
