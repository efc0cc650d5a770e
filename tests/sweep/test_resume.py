"""What a sweep keeps of its configuration, and what must be the same when it goes on."""

from pathlib import Path

import pytest

from dist_bp.errors import ConfigError, TrackingError
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.journal import sweep_folder
from dist_bp.sweep.resume import CONFIG, read_record
from dist_bp.sweep.run import begin_journal
from dist_bp.track.store import resolve_uri
from tests.conftest import JobMaker

SWEEP = {
    "metric": "val_loss",
    "num_samples": 2,
    "parameters": {"train.optimizer.learning_rate": {"type": "uniform", "low": 0.01, "high": 0.1}},
}


def begun(job: SweepJob) -> Path:
    """The folder of a sweep that has begun."""
    folder = sweep_folder(job.config, "one")
    folder.mkdir(parents=True)
    begin_journal(job, folder, "")
    return folder


def texts(folder: Path) -> str:
    return "".join(path.read_text() for path in folder.iterdir())


def test_the_store_of_the_environment_is_written_nowhere_and_may_be_another(
    make_job: JobMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@host:5000")
    job = SweepJob.of(make_job(sweep=SWEEP))
    folder = begun(job)
    best = job.written(job.trial({"train.optimizer.learning_rate": 0.05}))
    assert "tracking_uri" not in texts(folder) + best
    assert "0.05" in best
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:another@host:5000")
    assert read_record(SweepJob.of(make_job(sweep=SWEEP)), folder, 2, resumed=True)
    with pytest.raises(ConfigError, match=r"differs in seed"):
        read_record(SweepJob.of(make_job(sweep=SWEEP, seed=4)), folder, 2, resumed=True)


def test_a_password_of_the_configuration_is_not_written_and_is_asked_for(make_job: JobMaker) -> None:
    job = SweepJob.of(make_job(sweep=SWEEP, tracking={"tracking_uri": "http://me:a s3cret@host:5000"}))
    folder = begun(job)
    assert "s3cret" not in texts(folder) + job.written(job.trial({"train.optimizer.learning_rate": 0.05}))
    assert "http://me:***@host:5000" in (folder / CONFIG).read_text()
    assert read_record(job, folder, 2, resumed=True)
    with pytest.raises(TrackingError, match=r"without its password, .* set MLFLOW_TRACKING_URI"):
        resolve_uri("http://me:***@host:5000")
