"""What submission refuses: one clear line with the remedy, exit code 2, nothing sent."""

import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.submit.local_head import Place


def refused(place: Place, *arguments: str, **environment: str) -> str:
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
