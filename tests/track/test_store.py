import fcntl
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from dist_bp.errors import TrackingError
from dist_bp.messages import is_masked, without_password
from dist_bp.track import store
from dist_bp.track.store import check_store, is_server, one_process, resolve_uri, run_url


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which something listens and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def message(error: pytest.ExceptionInfo[TrackingError]) -> str:
    [line] = error.value.problems
    assert "\n" not in line
    return line


def test_sqlite_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve_uri("sqlite:///mlflow.db") == f"sqlite:///{tmp_path}/mlflow.db"
    assert resolve_uri("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"


@pytest.mark.parametrize("uri", ["http://h:5000", "https://h/x", "postgresql+psycopg2://u:p@h/db"])
def test_servers_are_allowed(uri: str) -> None:
    assert resolve_uri(uri) == uri


@pytest.mark.parametrize(
    ("uri", "says"),
    [
        ("mlruns", "write sqlite:///mlflow.db"),
        ("./mlruns", "write sqlite:///mlflow.db"),
        ("file:///tmp/mlruns", "write sqlite:///mlflow.db"),
        ("", "write sqlite:///mlflow.db"),
        ("sqlite://", "names no file"),
        ("sqlite:mlflow.db", "names no file"),
        ("ftp://user:secret@host/x", "is not allowed"),
    ],
)
def test_other_uris_are_refused_with_the_remedy(uri: str, says: str) -> None:
    with pytest.raises(TrackingError) as error:
        resolve_uri(uri)
    assert says in message(error)
    assert "secret" not in message(error)


def test_a_new_or_existing_sqlite_file_is_fine(tmp_path: Path) -> None:
    check_store(f"sqlite:///{tmp_path}/new.db")
    (tmp_path / "empty.db").touch()
    check_store(f"sqlite:///{tmp_path}/empty.db")
    assert [path.name for path in tmp_path.iterdir()] == ["empty.db"]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrackingError) as error:
        check_store(f"sqlite:///{tmp_path}/no/mlflow.db")
    assert f"{tmp_path}/no does not exist: create it" in message(error)


def test_a_folder_that_cannot_be_written_is_named() -> None:
    with pytest.raises(TrackingError) as error:
        check_store("sqlite:////proc/mlflow.db")
    assert "cannot write /proc/mlflow.db" in message(error)


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("these are notes, not a database")
    with pytest.raises(TrackingError) as error:
        check_store(f"sqlite:///{path}")
    assert "is not an SQLite database" in message(error)
    with pytest.raises(TrackingError, match="is a folder"):
        check_store(f"sqlite:///{tmp_path}")


def test_a_closed_port_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    for uri in (f"http://127.0.0.1:{port}", f"postgresql://u:secret@127.0.0.1:{port}/db"):
        begin = time.monotonic()
        with pytest.raises(TrackingError) as error:
            check_store(uri)
        assert time.monotonic() - begin < 5
        assert "does not answer" in message(error)
        assert "refused" in message(error)
        assert "secret" not in message(error)


def test_a_silent_server_is_given_up_on(silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "REACHABLE_SECONDS", 0.3)
    begin = time.monotonic()
    with pytest.raises(TrackingError) as error:
        check_store(f"http://127.0.0.1:{silent_port}")
    assert time.monotonic() - begin < 10
    assert "does not answer" in message(error)
    assert "mlflow server" in message(error)


@pytest.mark.parametrize("scheme", ["http", "postgresql"])
def test_a_bad_port_is_one_line(scheme: str) -> None:
    with pytest.raises(TrackingError) as error:
        check_store(f"{scheme}://127.0.0.1:door")
    assert "door" in message(error)


def test_a_database_that_listens_is_reachable(silent_port: int) -> None:
    check_store(f"mysql+pymysql://u:p@127.0.0.1:{silent_port}/db")


def test_one_process_holds_the_folder(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    other = os.open(tmp_path, os.O_RDONLY)
    try:
        with one_process(uri), pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        os.close(other)
    assert list(tmp_path.iterdir()) == []


def test_links() -> None:
    query = "?workflowType=machine_learning"
    local = "sqlite:////data/mlflow.db"
    assert run_url(local, "3", "abc") == f"http://127.0.0.1:5000/#/experiments/3/runs/abc{query}"
    assert run_url("https://host/ml/", "3", "abc") == f"https://host/ml/#/experiments/3/runs/abc{query}"
    assert [is_server(uri) for uri in (local, "https://host/ml/", "postgresql://h/db")] == [False, True, False]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("at http://me:s3cret@host/x, no", "at http://me:***@host/x, no"),
        ("postgresql://u:p/w?p#w@host/db", "postgresql://u:***@host/db"),
        ("postgresql://u:5432/pw@host/db", "postgresql://u:***@host/db"),  # as SQLAlchemy reads it
        ("mysql+pymysql://u:pw@pw'pw@host/db", "mysql+pymysql://u:***@host/db"),
        ("tracking_uri=postgresql://u:p w@host/db", "tracking_uri=postgresql://u:***@host/db"),
        ("postgresql://me@server:pw@host/db", "postgresql://me@server:***@host/db"),
        ("postgresql://:pw@host/db", "postgresql://:***@host/db"),
        ("at postgresql://u@h/db?sslPassword=p/w&x=1 now", "at postgresql://u@h/db?sslPassword=***&x=1 now"),
        ("mssql://h/db?odbc_connect=PWD%3Dpw%3B", "mssql://h/db?odbc_connect=***"),
    ],
)
def test_passwords_are_masked(text: str, masked: str) -> None:
    assert without_password(text) == masked
    assert without_password(masked) == masked
    assert is_masked(masked)
    assert not is_masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://host:5000/a@b",
        "http://host:5000 is down, ask me@host",
        "postgresql://host:5432/db?x=1",
        "http://[::1]:5000/a@b",
        "models:/digits@best",
        "sqlite:////tmp/me@host/***.db",
    ],
)
def test_what_has_no_password_stays(text: str) -> None:
    assert without_password(text) == text
    assert not is_masked(text)


def test_a_store_of_a_password_with_signs_is_asked_and_its_password_not_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check_store(f"postgresql://u:pa/ss@127.0.0.1:{port}/db")
    for uri in (f"postgresql://u:pa/ss@127.0.0.1:{port}/db", f"http://u:pa/ss@127.0.0.1:{port}"):
        with pytest.raises(TrackingError, match="refused") as error:
            check_store(uri)
        assert "pa" not in message(error).partition("does not")[0].replace("u:***@", "")
    for masked in ("http://u:***@host", "postgresql://u@host/db?password=***"):
        with pytest.raises(TrackingError, match="is without its password"):
            resolve_uri(masked)


def test_a_server_with_a_password_is_reachable_and_its_links_are_without() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answer = threading.Thread(target=_answer, args=(server,), daemon=True)
        answer.start()
        uri = f"http://me:s3cret@127.0.0.1:{server.getsockname()[1]}/ml"
        check_store(uri)
        answer.join(10)
    assert run_url(uri, "3", "abc").startswith(f"{uri.replace('me:s3cret@', '')}/#/experiments/3/")


def _answer(server: socket.socket) -> None:
    with server.accept()[0] as caller:
        caller.recv(4096)
        caller.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
