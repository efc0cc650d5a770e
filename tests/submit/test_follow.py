"""Following a job whose log stream breaks: every line once, and the job's own status at the end."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from aiohttp import web

from dist_bp.submit import follow as following
from dist_bp.submit.address import Dashboard
from dist_bp.submit.client import JobsClient, Unreachable

LINES = [f"line {number} äöü\n" for number in range(6)]


class FakeDashboard:
    """Streams begin with the first line and end early, the second is never answered; the job ends after the third."""

    def __init__(self) -> None:
        self.streams = 0

    async def tail(self, request: web.Request) -> web.WebSocketResponse:
        self.streams += 1
        if self.streams == 2:
            await asyncio.sleep(60)
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        for line in LINES[: 2 * self.streams - 1]:
            await stream.send_str(line)
        await stream.close()
        return stream

    async def job(self, _: web.Request) -> web.Response:
        return web.json_response({"submission_id": "a", "status": "FAILED" if self.streams > 2 else "RUNNING"})

    async def logs(self, _: web.Request) -> web.Response:
        return web.json_response({"logs": "".join(LINES)})


class Busy(FakeDashboard):
    """The first stream lasts long; when it has ended the cluster does not answer once, and again after the second."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def tail(self, request: web.Request) -> web.WebSocketResponse:
        self.streams += 1
        stream = web.WebSocketResponse()
        await stream.prepare(request)
        for line in LINES[: 3 * self.streams]:
            await stream.send_str(line)
            await asyncio.sleep(0.5 / self.streams)
        await stream.close()
        return stream

    async def job(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=503) if self.asked in (1, 2) else await super().job(request)


@pytest.fixture(params=[FakeDashboard])
def client(request: pytest.FixtureRequest) -> Iterator[JobsClient]:
    dashboard, ready, loop = request.param(), threading.Event(), asyncio.new_event_loop()
    app = web.Application()
    app.router.add_get("/api/jobs/a", dashboard.job)
    app.router.add_get("/api/jobs/a/logs", dashboard.logs)
    app.router.add_get("/api/jobs/a/logs/tail", dashboard.tail)
    runner = web.AppRunner(app, handler_cancellation=True)

    def serve() -> None:
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    yield JobsClient(Dashboard(f"http://127.0.0.1:{runner.addresses[0][1]}"), answer_seconds=5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()


def test_a_broken_stream_is_taken_up_where_it_ended(client: JobsClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.5)
    written: list[str] = []
    job = following.follow(client, "a", written.append)
    assert "".join(written) == "".join(LINES)
    assert job["status"] == "FAILED"


@pytest.mark.parametrize("client", [Busy], indirect=True)
def test_a_long_stream_that_breaks_is_no_silence(client: JobsClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(following, "AGAIN_SECONDS", 0.1)
    written: list[str] = []
    assert following.follow(client, "a", written.append)["status"] == "FAILED"
    assert "".join(written) == "".join(LINES)


def test_silence_ends_after_the_deadline() -> None:
    """Something that takes connections and never answers."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        client = JobsClient(Dashboard(f"http://127.0.0.1:{silent.getsockname()[1]}"), answer_seconds=0.5)
        with pytest.raises(Unreachable, match="does not answer"):
            client.connect()
