"""A database that MLflow makes appears whole or not at all."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from dist_bp.track import mlflow_store
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.store import sqlite_path


class Killed(BaseException):
    """Ends whatever goes on, as SIGKILL would."""


def test_who_is_killed_meanwhile_leaves_no_half_of_one(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"

    def killed(uri: str, registry_uri: str) -> None:
        sqlite_path(uri).write_bytes(b"SQLite format 3\0 half of it")
        raise Killed

    def made(uri: str, registry_uri: str) -> SimpleNamespace:
        if not sqlite_path(uri).exists():
            shutil.copy(empty_database, sqlite_path(uri))
        return SimpleNamespace(tracking_uri=uri)

    monkeypatch.setattr(mlflow_store, "MlflowClient", killed)
    with pytest.raises(Killed), opened_store(uri):
        pass
    assert not (tmp_path / "mlflow.db").exists()
    monkeypatch.setattr(mlflow_store, "MlflowClient", made)
    with opened_store(uri) as client:
        assert client.tracking_uri == uri
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]
    assert (tmp_path / "mlflow.db").read_bytes() == empty_database.read_bytes()
