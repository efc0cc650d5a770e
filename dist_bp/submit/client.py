"""The Ray Jobs API over HTTP, with a deadline on every request and our errors.

Ray's own client is not used: it has no deadlines, and lets environment variables override an explicit address.
"""

import json
import os
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, IncompleteRead
from typing import Any
from urllib.parse import quote, urlsplit

from dist_bp.errors import SubmitError
from dist_bp.messages import did_you_mean, last_line
from dist_bp.processes import patience
from dist_bp.submit.address import UP, Dashboard
from dist_bp.typed import command, option

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 10.0
UPLOAD_SECONDS = 300.0
NO_DASHBOARD = "is not Ray's dashboard: give the address of the dashboard, mostly port 8265"
BUSY = (502, 503, 504)
"""What a proxy says of a cluster that does not answer."""
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")

RayJob = dict[str, Any]
"""What the API tells of a job: submission_id, status, message, entrypoint, metadata, start_time, end_time (ms), ..."""


class NotFound(SubmitError):
    """The cluster has no such thing."""


class Unreachable(SubmitError):
    """Nothing answers in time: following a job tries again."""


class JobsClient:
    """The jobs of one cluster. Raises SubmitError where the cluster cannot be reached or refuses.

    An answer may take `answer_seconds`, longer on a loaded machine, which the cluster may be on, too.
    """

    def __init__(self, dashboard: Dashboard, answer_seconds: float = ANSWER_SECONDS) -> None:
        self.dashboard = dashboard
        self._answer_seconds = answer_seconds
        self.headers = _given_headers()
        if dashboard.token:
            self.headers["Authorization"] = f"Bearer {dashboard.token}"
        proxies: dict[str, str] | None = {} if dashboard.is_loopback else None
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))

    def connect(self) -> str:
        """The name of the cluster's session, once it is known that it answers and takes the token."""
        self._check_reachable()
        try:
            answer = self._ask("GET", "/api/version")
            return str(answer["session_name"])
        except (NotFound, KeyError, TypeError) as error:
            raise SubmitError(self._says(NO_DASHBOARD)) from error

    def submit(self, request: Mapping[str, Any]) -> str:
        """Starts a job; returns its submission id. Raises SubmitError where the id is taken."""
        return str(self._ask("POST", "/api/jobs/", request, UPLOAD_SECONDS)["submission_id"])

    def job(self, name: str) -> RayJob:
        """Raises SubmitError, with the likely id, where there is no such job."""
        try:
            answer: RayJob = self._ask("GET", f"/api/jobs/{quote(name, safe='')}")
            return answer
        except NotFound:
            known = [job["submission_id"] for job in self.jobs()]
            listing = command("jobs", "list", *option("--address"))
            hint = did_you_mean(name, known) or f": {listing} shows those there are"
            raise SubmitError(f"there is no job {name} at {self.dashboard.address}{hint}") from None

    def has_job(self, name: str) -> bool:
        return any(job["submission_id"] == name for job in self.jobs())

    def jobs(self) -> list[RayJob]:
        """All submitted jobs, the newest first."""
        jobs = [job for job in self._ask("GET", "/api/jobs/") if job["type"] == "SUBMISSION"]
        return sorted(jobs, key=lambda job: job["start_time"] or 0, reverse=True)

    def logs(self, name: str) -> str:
        return str(self._ask("GET", f"/api/jobs/{quote(name, safe='')}/logs", seconds=UPLOAD_SECONDS)["logs"])

    def stop(self, name: str) -> None:
        """Asks a job to stop; does not wait."""
        self._ask("POST", f"/api/jobs/{quote(name, safe='')}/stop")

    def has_package(self, name: str) -> bool:
        """Whether a package is there; if so, the cluster keeps it for the job that follows."""
        try:
            self._ask("GET", f"/api/packages/gcs/{name}")
        except NotFound:
            return False
        return True

    def put_package(self, name: str, content: bytes) -> None:
        self._ask("PUT", f"/api/packages/gcs/{name}", content, UPLOAD_SECONDS)

    def _check_reachable(self) -> None:
        """In a thread, since looking up a name cannot be given a deadline."""
        parts = urlsplit(self.dashboard.address)
        if not self.dashboard.is_loopback and urllib.request.getproxies().get(parts.scheme):
            return
        port = parts.port or (443 if parts.scheme == "https" else 80)
        seconds = patience(CONNECT_SECONDS)
        failure = [f"no answer within {seconds:.0f} s"]

        def connect() -> None:
            try:
                socket.create_connection((parts.hostname or "", port), seconds).close()
                failure.clear()
            except OSError as error:
                failure[0] = str(error)

        thread = threading.Thread(target=connect, name="reach", daemon=True)
        thread.start()
        thread.join(seconds)
        if failure:
            raise Unreachable(self._unreachable(failure[0]))

    def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | bytes | None = None, seconds: float | None = None
    ) -> Any:
        data = json.dumps(body).encode() if isinstance(body, Mapping) else body
        kind = "application/json" if isinstance(body, Mapping) else "application/octet-stream"
        request = urllib.request.Request(self.dashboard.address + path, data, {"Content-Type": kind}, method=method)
        for header, value in self.headers.items():
            request.add_unredirected_header(header, value)  # the token is for this cluster alone
        try:
            with self._opener.open(request, timeout=patience(seconds or self._answer_seconds)) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise self._refusal(error.code, error.read().decode(errors="replace")) from None
        except OSError as error:
            reason = str(getattr(error, "reason", None) or error) or type(error).__name__
            raise Unreachable(self._unreachable(reason)) from error
        except IncompleteRead as error:
            raise Unreachable(self._unreachable("the answer broke off")) from error
        except HTTPException as error:
            raise SubmitError(self._says(NO_DASHBOARD)) from error
        try:
            return json.loads(text) if text else None
        except ValueError as error:
            raise SubmitError(self._says(NO_DASHBOARD)) from error

    def _refusal(self, code: int, text: str) -> SubmitError:
        if code == 401:
            return SubmitError(self._says("asks for a token: set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH"))
        if code == 403:
            source = self.dashboard.token_source
            return SubmitError(self._says(f"refuses the token of {source}: it belongs to another cluster"))
        if code in BUSY:
            return Unreachable(self._unreachable(f"HTTP {code}"))
        kind = NotFound if code == 404 else SubmitError
        return kind(self._says(f"refuses (HTTP {code}): {last_line(text) or 'no reason given'}"))

    def _unreachable(self, reason: str) -> str:
        if self.dashboard.is_own_head:
            return self._says(
                f"does not answer ({reason}), so the head of {command(*UP)} is dead: "
                f"{command('cluster', 'down')} removes what is left of it, {command(*UP)} starts another"
            )
        return self._says(
            f"does not answer ({reason}): give the address of a running Ray's dashboard with --address, "
            f"or start a local one with {command(*UP)}"
        )

    def _says(self, what: str) -> str:
        return f"{self.dashboard.address} {what}"


def _given_headers() -> dict[str, str]:
    """Those of the environment variable that Ray's own client reads."""
    text = os.environ.get("RAY_JOB_HEADERS") or "{}"
    try:
        headers = json.loads(text)
    except ValueError:
        headers = None
    if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
        raise SubmitError('RAY_JOB_HEADERS: must be a JSON object of strings, such as {"X-User": "me"}')
    return headers
