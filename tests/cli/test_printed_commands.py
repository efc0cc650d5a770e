"""Every command that a message prints works as it is printed."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dist_bp.cli.jobs import on_jobs
from dist_bp.config import load_config
from dist_bp.runtime.ray_job import again
from dist_bp.submit.submission import submit_job
from dist_bp.track.mlflow_store import opened_store
from dist_bp.train.interrupt import Interrupt
from dist_bp.typed import remember, with_settings
from tests.cli.test_train import CONFIG
from tests.commands import run_here
from tests.database import rows

SHORT = ("scaling.num_workers=0", "scaling.servers_per_node=1", "train.epochs=2", "checkpoint.directory=my runs")


@pytest.fixture(autouse=True)
def nothing_is_typed() -> Iterator[None]:
    yield
    remember([])


@pytest.fixture
def folder(workplace: Path, database: Path) -> Path:
    (workplace / "job.yaml").write_text(CONFIG)
    return workplace


def words_of(line: str) -> list[str]:
    """The command of a line, after the name of the program; a comment is none of it."""
    program, *words = shlex.split(line, comments=True)
    assert program == "dist-bp"
    return words


def quoted(text: str) -> list[str]:
    """The command in backticks in a message."""
    (command,) = re.findall("`(.*?)`", text)
    return words_of(command)


def test_no_password_is_printed() -> None:
    ended = run_here("runs", "compare", "a", "--tracking-uri", "postgresql://me:secret@host/db")
    assert "runs list --tracking-uri 'postgresql://me:***@host/db'" in ended.stderr


def test_an_interrupted_run_goes_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:  # as if Ctrl-C came with the first step
        patched.setattr(Interrupt, "check", lambda _: None)
        patched.setattr(Interrupt, "requested", property(lambda _: "SIGINT", lambda *_: None), raising=False)
        ended = run_here("train", "job.yaml", *SHORT, "--resume", "auto", "--quiet")
    assert ended.returncode == 130, ended.stderr
    assert "checkpoint saved; go on with `dist-bp train job.yaml" in ended.stderr
    run_id, description = rows(
        "select run_uuid, value from tags where key = 'mlflow.note.content'",
    )[0]
    assert quoted(ended.stderr) == quoted(next(line for line in description.splitlines() if "goes on from" in line))
    assert quoted(ended.stderr) == ["train", "job.yaml", *SHORT, "--quiet", "--resume", run_id]
    resumed = run_here(*quoted(ended.stderr))
    assert resumed.returncode == 0, resumed.stderr
    assert rows("select status from runs") == [("FINISHED",)]


def test_what_is_next_after_a_run(folder: Path) -> None:
    ended = run_here("train", "job.yaml", *SHORT)
    assert ended.returncode == 0, ended.stderr
    *_, ui, evaluate, predict = ended.stdout.splitlines()
    assert words_of(ui) == ["ui", "job.yaml"]
    assert load_config("job.yaml", words_of(ui)[2:])
    measured = run_here(*words_of(evaluate))
    assert measured.returncode == 0, measured.stderr
    names = ",".join(f"{part} {size} (cm)" for part in ("sepal", "petal") for size in ("length", "width"))
    Path("FILE.csv").write_text(f"{names}\n5.1,3.5,1.4,0.2\n")
    written = run_here(*words_of(predict.replace("FILE", "FILE.csv")))
    assert written.returncode == 0, written.stderr
    assert Path("predictions.csv").exists()
    best = run_here("runs", "best", "--metric", "val_loss")
    for line in best.stdout.splitlines():
        if line.startswith("  dist-bp evaluate"):
            assert run_here(*words_of(line)).returncode == 0
            break
    else:
        raise AssertionError(best.stdout)


def test_a_deleted_run_is_restored(folder: Path) -> None:
    run_here("train", "job.yaml", *SHORT, "--quiet", "tracking.log_model=false")
    ((run_id,),) = rows("select run_uuid from runs")
    with opened_store("sqlite:///mlflow.db") as client:
        client.delete_run(run_id)
    told = run_here("train", "job.yaml", *SHORT, "train.epochs=3", "--resume", run_id).stderr
    assert "was deleted: restore it with `MLFLOW_TRACKING_URI=sqlite:///" in told
    (command,) = re.findall("`(.*?)`", told)
    subprocess.run(command, shell=True, check=True, timeout=60, cwd="/")
    assert rows("select lifecycle_stage from runs") == [("active",)]


def test_a_job_goes_on_by_submit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own command line is of the cluster's: `submit` takes what `train` and `sweep` were given there."""
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    taken = []

    def take(config: Path, overrides: object, options: object, *_: object) -> None:
        taken.append((config, tuple(overrides), options.sweep, options.resume))  # type: ignore
        raise KeyboardInterrupt

    monkeypatch.setattr("dist_bp.submit.submission.submit_job", take)
    assert submit_job is not take
    for command, sweeps in (("train", False), ("sweep", True)):
        remember([command, "job.yaml", "train.epochs=3", "--resume", "old"])
        run_here(*quoted(again("new")))
        assert taken.pop() == (Path("job.yaml"), ("train.epochs=3",), sweeps, "new")
    monkeypatch.setenv("DIST_BP_TYPED", "submit job.yaml 'name=my job' --address http://127.0.0.1:9")
    assert quoted(again("new")) == [*shlex.split(os.environ["DIST_BP_TYPED"]), "--resume", "new"]


def test_jobs_of_a_cluster_that_was_named_are_found_there(workplace: Path) -> None:
    remember(["submit", "job.yaml", "--address=http://127.0.0.1:9", "--no-wait"])
    for words in (("logs", "j", "-f"), ("stop", "j"), ("list",)):
        ended = run_here(*quoted(on_jobs(*words)))
        assert "http://127.0.0.1:9 does not answer" in ended.stderr
        remember(["submit", "job.yaml", "--address=http://127.0.0.1:9", "--no-wait"])


def test_what_is_typed_again_says_nothing_twice() -> None:
    remember(["sweep", "job.yaml", "sweep.max_failures=1", "--name", "one", "--resume=two", "seed=2"])
    assert quoted(again("three", "sweep.max_failures=4")) == [
        *("sweep", "job.yaml", "seed=2", "sweep.max_failures=4", "--resume", "three")
    ]
    assert with_settings([], "a=1") == ["a=1"]
    remember([])
    assert again("three") == "resume='three'"


def test_passwords_are_not_repeated() -> None:
    remember(["train", "job.yaml", "tracking.tracking_uri=postgresql://me:secret@db/mlflow"])
    assert "secret" not in again("a")
