"""The user interface of MLflow, served from here with as few processes as it takes."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode

from dist_bp.errors import DistBpError, UserError
from dist_bp.messages import last_line, without_password
from dist_bp.processes import patience
from dist_bp.runtime.warden import Warden
from dist_bp.track.store import is_sqlite, sqlite_path
from dist_bp.track.view import TAG, runs_url

HOST = "127.0.0.1"
START_SECONDS = 60.0
STOP_SECONDS = 5.0
LEAN = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""Without it the server starts a dozen processes for jobs of its own."""

Server = subprocess.Popen[bytes]


@contextmanager
def serving(uri: str, port: int, given_up: Callable[[], bool] = lambda: False) -> Iterator[Server | None]:
    """An MLflow server of the store with this resolved URI, on the loopback interface; it ends with the body.

    Whatever ends this process ends the server too. None where `given_up` became true before it was ready.
    Raises UserError where the port is taken, DistBpError where the server does not start.
    """
    _check_port(port)
    with tempfile.TemporaryDirectory(prefix="dist_bp-ui-") as folder, Warden() as warden:
        warden.guard(Path(folder))
        log = Path(folder) / "server.log"
        with log.open("wb") as output:
            server = subprocess.Popen(
                _command(uri, port),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **LEAN, "MLFLOW_BACKEND_STORE_URI": uri},
                start_new_session=True,
            )
        try:
            ready = _wait(server, port, log, given_up)
            warden.settle()
            yield server if ready else None
        finally:
            _end(server)


def experiment_page(base: str, experiment: str | None) -> str:
    """The page of an experiment's runs, by default the newest experiment's, on the server at `base`."""
    api = f"{base}/api/2.0/mlflow/experiments"
    try:
        if experiment is None:
            query = {"max_results": 1, "filter": "name != 'Default'", "order_by": ["creation_time DESC"]}
            found = _ask(f"{api}/search", json.dumps(query).encode())["experiments"][0]
        else:
            found = _ask(f"{api}/get-by-name?{urlencode({'experiment_name': experiment})}")["experiment"]
    except (OSError, ValueError, LookupError):
        return f"{base}/#/experiments?workflowType=machine_learning"
    return runs_url(base, found["experiment_id"], any(tag["key"] == TAG for tag in found.get("tags", ())))


def _ask(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def _check_port(port: int) -> None:
    try:
        with socket.create_server((HOST, port)):
            pass
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UserError(
            f"--port {port}: cannot be used ({reason}): choose another, such as --port {port + 1}"
        ) from error


def _command(uri: str, port: int) -> list[str]:
    artifacts = sqlite_path(uri).parent if is_sqlite(uri) else Path.cwd()
    options = {
        "--artifacts-destination": (artifacts / "mlartifacts").as_uri(),
        "--host": HOST,
        "--port": str(port),
        "--workers": "1",
    }
    return [sys.executable, "-m", "mlflow", "server", *(part for option in options.items() for part in option)]


def _wait(server: Server, port: int, log: Path, given_up: Callable[[], bool]) -> bool:
    """Until the server answers; returns whether it does."""
    seconds = patience(START_SECONDS)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if given_up():
            return False
        if server.poll() is not None:
            said = last_line(log.read_text(errors="replace")) or "it said nothing"
            raise DistBpError(f"the MLflow server ended: {without_password(said)}")
        with suppress(URLError, OSError), urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=1):
            return True
        time.sleep(0.1)
    raise DistBpError(f"the MLflow server did not answer within {seconds:.0f} s")


def _end(server: Server) -> None:
    """Ends the server and its process, gently at first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with suppress(subprocess.TimeoutExpired):
            server.wait(STOP_SECONDS)
