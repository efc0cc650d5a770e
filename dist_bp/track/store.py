"""Checks of a tracking URI that need neither MLflow nor much time, and links into its user interface."""

import fcntl
import os
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from dist_bp.errors import TrackingError
from dist_bp.messages import is_masked, without_password

SQLITE = "sqlite:///"
LOCAL_UI = "http://127.0.0.1:5000"
REACHABLE_SECONDS = 5.0
LOCK_SECONDS = 60.0

_DATABASE_PORTS = {"postgresql": 5432, "mysql": 3306, "mssql": 1433}
_KEY = "tracking.tracking_uri"


def resolve_uri(tracking_uri: str) -> str:
    """The URI with the path of an SQLite file made absolute.

    Raises:
        TrackingError: the URI is not one of a store that runs can be recorded in.
    """
    if is_masked(tracking_uri):
        raise TrackingError(
            f"{_KEY}: {tracking_uri} is without its password, which is not kept in files: give the whole address, or "
            "remove the key and set MLFLOW_TRACKING_URI"
        )
    scheme = _scheme(tracking_uri)
    if scheme == "sqlite":
        path = tracking_uri.removeprefix(SQLITE)
        if path == tracking_uri or not path:
            raise TrackingError(
                f"{_KEY}: {tracking_uri!r} names no file: write sqlite:///mlflow.db (in this folder) "
                "or sqlite:////absolute/path/mlflow.db"
            )
        return f"{SQLITE}{Path(path).absolute()}"
    if scheme in ("http", "https", *_DATABASE_PORTS):
        return tracking_uri
    if scheme in ("", "file"):
        raise TrackingError(
            f"{_KEY}: {tracking_uri!r} is a folder, and MLflow no longer records into folders: "
            "write sqlite:///mlflow.db"
        )
    raise TrackingError(
        f"{_KEY}: {without_password(tracking_uri)!r} is not allowed: use sqlite:///FILE, "
        "http(s)://HOST:PORT, postgresql://... or mysql://..."
    )


def check_store(uri: str) -> None:
    """Find out, in `REACHABLE_SECONDS` at most, whether the store of a resolved URI can be used.

    Raises:
        TrackingError: it cannot.
    """
    scheme = _scheme(uri)
    if scheme == "sqlite":
        _check_sqlite(sqlite_path(uri))
    elif scheme in ("http", "https"):
        _check_within_deadline(uri, lambda: _get_health(uri), "start it with `mlflow server`")
    elif scheme in _DATABASE_PORTS:
        _check_within_deadline(uri, lambda: _connect(uri), "is the database running?")


def check_exists(tracking_uri: str, remedy: str) -> None:
    """Raises TrackingError where the store is an SQLite file that is not there: reading must not create it."""
    uri = resolve_uri(tracking_uri)
    if is_sqlite(uri) and not sqlite_path(uri).exists():
        raise TrackingError(f"there is no store {sqlite_path(uri)}: train first, or {remedy}")


def sqlite_path(uri: str) -> Path:
    """The file of a resolved SQLite URI."""
    return Path(uri.removeprefix(SQLITE))


@contextmanager
def one_process(uri: str) -> Iterator[None]:
    """Let one process at a time create the database of a resolved SQLite URI; other stores do so themselves."""
    with locked(sqlite_path(uri).parent, f"creating {uri}") if is_sqlite(uri) else nullcontext():
        yield


@contextmanager
def locked(path: Path, doing: str) -> Iterator[None]:
    """Let one process at a time do something; the lock is on a folder or file that is there, so that it leaves none.

    Raises TrackingError after `LOCK_SECONDS`.
    """
    folder = os.open(path, os.O_RDONLY)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TrackingError(f"another process has been {doing} for {LOCK_SECONDS:g} s") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(folder)


def is_sqlite(uri: str) -> bool:
    return _scheme(uri) == "sqlite"


def is_server(uri: str) -> bool:
    """Whether the store is behind a server, which serves the user interface too."""
    return _scheme(uri) in ("http", "https")


def run_url(tracking_uri: str, experiment_id: str, run_id: str) -> str:
    """The page of a run; for a database, as `dist-bp ui` serves it.

    Without the query MLflow opens its view for GenAI instead of the one for model training.
    """
    server = _without_user(tracking_uri).rstrip("/") if is_server(tracking_uri) else LOCAL_UI
    return f"{server}/#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def _scheme(uri: str) -> str:
    """The scheme without a driver: "postgresql+psycopg2://..." is "postgresql"."""
    return uri.partition(":")[0].partition("+")[0].lower() if ":" in uri else ""


def _without_user(uri: str) -> str:
    """The URI of a server without its user and password: for a link, or for what needs neither."""
    parts = urlsplit(without_password(uri))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _check_sqlite(path: Path) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise TrackingError(f"{_KEY}: the folder {folder} does not exist: create it or name another file")
    if path.is_dir():
        raise TrackingError(f"{_KEY}: {path} is a folder: name a file in it")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
        if path.exists():
            with path.open("rb+") as file:
                head = file.read(16)
            if head and head != b"SQLite format 3\0":
                raise TrackingError(f"{_KEY}: {path} is not an SQLite database: name another file")
    except OSError as error:
        raise TrackingError(f"{_KEY}: cannot write {path}: {error.strerror}: name another file") from error


def _get_health(uri: str) -> None:
    try:
        with urllib.request.urlopen(f"{_without_user(uri).rstrip('/')}/health", timeout=REACHABLE_SECONDS):
            pass
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise


def _connect(uri: str) -> None:
    parts = urlsplit(without_password(uri))
    address = (parts.hostname or "localhost", parts.port or _DATABASE_PORTS[_scheme(uri)])
    socket.create_connection(address, timeout=REACHABLE_SECONDS).close()


def _check_within_deadline(uri: str, check: Callable[[], None], remedy: str) -> None:
    """Run a check in a thread: looking up a name cannot be given a deadline."""
    failure = [f"no answer within {REACHABLE_SECONDS:g} s"]

    def run() -> None:
        try:
            check()
            failure.clear()
        except (OSError, ValueError, HTTPException) as error:
            failure[0] = str(getattr(error, "reason", None) or error)

    thread = threading.Thread(target=run, name="tracking-check", daemon=True)
    thread.start()
    thread.join(REACHABLE_SECONDS)
    if failure:
        raise TrackingError(f"{_KEY}: {without_password(uri)} does not answer ({failure[0]}): {remedy}")
