"""What a process knows and tells of the Ray job that it belongs to."""

import json
from pathlib import Path

import pytest

from dist_bp.runtime.cluster import cluster_address
from dist_bp.runtime.ray_job import RUN_FILE, announce, job_tags, submission_id

VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"


def test_local_is_the_cluster_of_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert (cluster_address("local"), submission_id(), job_tags()) == ("local", None, {})
    monkeypatch.setenv(VARIABLE, json.dumps({"metadata": {"job_submission_id": "one"}}))
    assert (cluster_address("local"), cluster_address("10.0.0.1:6379")) == ("auto", "10.0.0.1:6379")
    assert job_tags() == {"ray.submission_id": "one"}


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"metadata": null}'])
def test_a_job_without_metadata_has_no_id(monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    monkeypatch.setenv(VARIABLE, content)
    assert submission_id() is None


def test_a_run_is_announced_to_the_parent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv(RUN_FILE, str(tmp_path / "run.json"))
    announce("a1", tmp_path / "runs" / "a1")
    assert json.loads((tmp_path / "run.json").read_text()) == {"run_id": "a1", "folder": str(tmp_path / "runs" / "a1")}
    monkeypatch.setenv(RUN_FILE, str(tmp_path / "no" / "run.json"))
    announce("a1", tmp_path)
