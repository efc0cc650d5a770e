"""The paths of a configuration for a job that runs elsewhere."""

from pathlib import Path

from dist_bp.config import JobConfig
from dist_bp.submit.travel import kept_here, on_this_machine, shares_files, to_another_machine
from tests.conftest import JobMaker


def replaced(config: JobConfig) -> dict[str, str]:
    return dict(override.split("=", 1) for override in on_this_machine(config).overrides)


def test_on_this_machine_paths_become_absolute(make_job: JobMaker, workplace: Path) -> None:
    job = make_job(checkpoint={"directory": "my runs"}, tracking={"artifact_location": "files"})
    assert replaced(job) == {
        "checkpoint.directory": f'"{workplace}/my runs"',
        "data.prepared": f'"{workplace}/.dist_bp/prepared"',
        "data.source.path": f'"{workplace}/blobs.npz"',
        "tracking.artifact_location": f'"{workplace}/files"',
        "tracking.tracking_uri": f'"sqlite:///{workplace}/mlflow.db"',
    }
    store = [f"/mlflow.db{end}" for end in ("", "-wal", "-shm", "-journal")]
    assert kept_here(job) == ["/my runs", "/.dist_bp/prepared", *store]


def test_a_password_of_the_store_is_in_no_command_line(make_job: JobMaker) -> None:
    job = make_job(tracking={"tracking_uri": "postgresql://me:secret@localhost/mlflow"})
    assert "secret" not in str(replaced(job))


def test_options_of_an_own_source_are_paths_where_they_name_something(make_job: JobMaker, workplace: Path) -> None:
    source = {"type": "loader:load", "file": "blobs.npz", "part": "train"}
    changed = replaced(make_job(data={"source": source}))
    assert changed["data.source.file"] == f'"{workplace}/blobs.npz"'
    assert "data.source.part" not in changed


def test_files_of_steps_are_files_of_the_data(make_job: JobMaker, workplace: Path) -> None:
    changed = replaced(make_job(data={"preprocess": [{"type": "tokenize", "file": "tokenizer.json"}]}))
    assert changed["data.preprocess.0.file"] == f'"{workplace}/tokenizer.json"'


def test_what_a_remote_cluster_can_reach_is_left_alone(make_job: JobMaker, workplace: Path) -> None:
    job = make_job(
        data={"source": {"type": "npz", "path": "/shared/blobs.npz"}},
        checkpoint={"directory": "/shared/runs"},
        tracking={"tracking_uri": "http://tracking:5000"},
    )
    travel = to_another_machine(job, "http://head:8265", retries=1)
    assert (travel.overrides, travel.problems, travel.warnings) == ([], [], [])
    own = job.model_copy(update={"tracking": job.tracking.model_copy(update={"tracking_uri": "http://localhost:5000"})})
    assert "means the cluster's own machine" in to_another_machine(own, "http://head:8265", 0).warnings[0]


def test_a_session_that_no_process_here_mentions_is_elsewhere() -> None:
    assert not shares_files("session_" + "of_nobody")
