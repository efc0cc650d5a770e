"""How long a dashboard may take to answer."""

import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from dist_bp.submit.address import Dashboard
from dist_bp.submit.client import JobsClient, Unreachable


class Slow(BaseHTTPRequestHandler):
    """Answers after a second."""

    def do_GET(self) -> None:
        time.sleep(1.0)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"session_name": "slow"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def slow() -> Iterator[Dashboard]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who gave up has closed the connection
        Thread(target=server.serve_forever, daemon=True).start()
        yield Dashboard(f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_an_answer_may_take_longer_on_a_loaded_machine(slow: Dashboard, monkeypatch: pytest.MonkeyPatch) -> None:
    client = JobsClient(slow, answer_seconds=0.5)
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    with pytest.raises(Unreachable, match="does not answer"):
        client.connect()
    monkeypatch.setattr("os.getloadavg", lambda: (1000.0, 0.0, 0.0))
    assert client.connect() == "slow"
