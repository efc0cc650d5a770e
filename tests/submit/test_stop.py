"""A stop that does not reach the job, and a cluster that sends elsewhere."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dist_bp.errors import SubmitError
from dist_bp.submit import killer
from dist_bp.submit.address import Dashboard
from dist_bp.submit.client import JobsClient
from dist_bp.submit.state import stop_mark
from dist_bp.submit.stop import stop_job


class Vanishing(BaseHTTPRequestHandler):
    """A cluster whose job is gone when it is asked to stop."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"submission_id": "a", "status": "RUNNING"}).encode())

    def do_POST(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def client() -> Iterator[JobsClient]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Vanishing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield JobsClient(Dashboard(f"http://127.0.0.1:{server.server_port}"))
        server.shutdown()
        thread.join()


def test_the_next_stop_is_graceful_too(client: JobsClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(SubmitError, match="HTTP 404"):
        stop_job(client, "session", "a", False, lambda _: None)
    assert not stop_mark("session", "a").exists()


def test_the_token_does_not_follow_to_another_address() -> None:
    heard: list[str | None] = []

    class Elsewhere(Vanishing):
        def do_GET(self) -> None:
            if self.path.startswith("/api"):
                self.send_response(302)
                self.send_header("Location", f"http://localhost:{self.server.server_port}/other")
                self.end_headers()
                return
            heard.append(self.headers.get("Authorization"))
            super().do_GET()

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            JobsClient(Dashboard(f"http://127.0.0.1:{server.server_port}", "secret")).job("a")
        finally:
            server.shutdown()
            thread.join()
    assert heard == [None]


def test_a_killer_that_ray_keeps_waiting_ends_itself(tmp_path: Path) -> None:
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray/__init__.py").write_text("import time; time.sleep(60)")
    text = Path(killer.__file__).read_text().replace("SECONDS = 60", "SECONDS = 1")
    assert "SECONDS = 1" in text
    ended = subprocess.run([sys.executable, "-c", text, "job"], env={"PYTHONPATH": str(tmp_path)}, timeout=30)
    assert ended.returncode == -signal.SIGALRM
