"""Writers into a store of this process, for their tests."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dist_bp.track.spool import Spool
from dist_bp.track.writer import BackgroundWriter, Unwritten
from tests.track.stores import FakeStore

Start = Callable[..., BackgroundWriter]


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "run.jsonl"


@pytest.fixture
def start(store: FakeStore, path: Path) -> Iterator[Start]:
    writers = []

    def make(**options: Any) -> BackgroundWriter:
        quick: dict[str, Any] = {"interval": 0.01, "pauses": (0.005, 0.02)}
        writer = BackgroundWriter(store.write, Spool(path), **(quick | options))
        writers.append(writer)
        return writer

    yield make
    store.resume()
    for writer in writers:
        writer.close(0.1, 1.0)


def close(writer: BackgroundWriter) -> Unwritten:
    return writer.close(patience=5.0, stall=20.0)
