"""An MLflow store of its own for each test, and what is recorded into it."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

from dist_bp.track.mlflow_open import open_tracker
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.port import ModelPackage, Tracker, TrackingSettings

HERE = Path(__file__).parent
Open = Callable[..., Tracker]


@pytest.fixture
def uri(tmp_path: Path, empty_database: Path) -> str:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return f"sqlite:///{tmp_path}/mlflow.db"


@pytest.fixture
def client(uri: str) -> Iterator[MlflowClient]:
    with opened_store(uri) as client:
        yield client


@pytest.fixture
def start(uri: str, tmp_path: Path) -> Iterator[Open]:
    trackers: list[Tracker] = []

    def make(
        params: Mapping[str, str] | None = None,
        text: str = "name: digits\n",
        tags: Mapping[str, str] | None = None,
        resume: str | None = None,
        spool: str = "spool",
        **options: Any,
    ) -> Tracker:
        chosen: dict[str, Any] = {"system_metrics": False} | options
        settings = TrackingSettings(uri, "digits", tmp_path / spool, **chosen)
        tracker = open_tracker(settings, params or {}, text, tags or {}, resume)
        trackers.append(tracker)
        return tracker

    yield make
    for tracker in trackers:
        tracker.finish("KILLED")


@pytest.fixture
def package(tmp_path: Path) -> ModelPackage:
    folder = tmp_path / "best"
    folder.mkdir()
    (folder / "factor.txt").write_text("3")
    return ModelPackage(
        python_model=HERE / "summing_model.py",
        artifacts={"folder": folder},
        input_example=pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}),
        output_example=pd.DataFrame({"sum": [4.5, 10.5]}),
        pip_requirements=["numpy==2.4", "pandas"],
    )
