"""The MLflow store: a client of it, and what its errors mean."""

import re
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from dist_bp.errors import DistBpError, TrackingError
from dist_bp.imports import importing
from dist_bp.messages import first_line, without_password
from dist_bp.track.store import SQLITE, check_store, is_sqlite, one_process, resolve_uri, sqlite_path
from dist_bp.track.writer import Rejected

T = TypeVar("T")

PERMANENT = {
    "INVALID_PARAMETER_VALUE",
    "RESOURCE_DOES_NOT_EXIST",
    "RESOURCE_ALREADY_EXISTS",
    "INVALID_STATE",
}
"""Errors that trying again does not mend."""
_HARMLESS_WARNINGS = (
    "The ``noload`` loader strategy is deprecated",  # SQLAlchemy about MLflow's models
    "Any type hint is inferred as AnyType",  # MLflow about its own classes
    "Operation with range is deprecated",  # pandas about MLflow's check of an example
    "Hint: Inferred schema contains integer column",  # the example's columns are whole numbers on purpose
)
_DATABASES = ("mlflow.store.tracking.sqlalchemy_store", "mlflow.store.model_registry.sqlalchemy_store")
_opened: Counter[str] = Counter()
_opened_lock = threading.Lock()


@contextmanager
def opened_store(tracking_uri: str) -> Iterator[MlflowClient]:
    """A client of the store; raises TrackingError where the store cannot be used, there or in the body.

    With the last of a process that has a database open its connections to it are closed.
    """
    for message in _HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", message=".*" + re.escape(message))
    uri = resolve_uri(tracking_uri)
    if uri not in _opened:  # the check closes SQLite's file, which would release the locks of those who have it open
        check_store(uri)
    with _store_errors(uri), _closed_by_the_last(uri):
        with one_process(uri):
            _create_whole(uri)
            client = _client(uri)
        yield client


def _client(uri: str) -> MlflowClient:
    with importing():  # the first one of a database imports SQLAlchemy
        return MlflowClient(uri, registry_uri=uri)


def attempt(action: Callable[[], T]) -> T:
    """Run an action on the store; raises `Rejected` unless the store itself failed and may recover."""
    try:
        return action()
    except Rejected:
        raise
    except MlflowException as error:
        if error.error_code in PERMANENT:
            raise Rejected(str(error)) from error
        raise
    except Exception as error:
        raise Rejected(f"{type(error).__name__}: {error}") from error


def _create_whole(uri: str) -> None:
    """A database that is not there is made under another name first: who is killed meanwhile leaves no half of one."""
    if not is_sqlite(uri) or (path := sqlite_path(uri)).exists():
        return
    aside = path.with_name(f".{path.name}.new")
    for left_over in path.parent.glob(f"{aside.name}*"):
        left_over.unlink()
    MlflowClient(f"{SQLITE}{aside}", registry_uri=f"{SQLITE}{aside}")
    _close_connections(f"{SQLITE}{aside}")
    aside.rename(path)


@contextmanager
def _closed_by_the_last(uri: str) -> Iterator[None]:
    """MLflow shares a database's connections among all clients in a process, and never closes any."""
    with _opened_lock:
        _opened[uri] += 1
    try:
        yield
    finally:
        with _opened_lock:
            _opened[uri] -= 1
            if not _opened[uri]:
                del _opened[uri]
                _close_connections(uri)


def _close_connections(uri: str) -> None:
    for name in _DATABASES:
        module = sys.modules.get(name)  # one that nobody has used takes long to import
        engine = module.SqlAlchemyStore._engine_map.get(uri) if module else None
        if engine:
            engine.dispose()  # it connects again if it is used again


@contextmanager
def _store_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except DistBpError:
        raise
    except Exception as error:
        reason = without_password(first_line(error))
        raise TrackingError(f"tracking: {without_password(uri)} cannot be used: {reason}") from error
