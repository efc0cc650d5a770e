"""Deciding about another attempt, and making it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dist_bp.cli.main import main
from dist_bp.submit.attempts import goes_on, resume_options
from tests.submit.local_head import DIGITS

ATTEMPTS = [sys.executable, "-m", "dist_bp.submit.attempts"]
COUNT = "import os, sys; print('attempt', flush=True); "


@pytest.mark.parametrize(
    ("code", "stopped", "left", "again"),
    [
        (0, False, 3, False),
        (1, False, 3, True),
        (-signal.SIGKILL, False, 1, True),
        (-signal.SIGSEGV, False, 1, True),
        (1, False, 0, False),
        (2, False, 3, False),
        (130, False, 3, False),
        (1, True, 3, False),
        (-signal.SIGKILL, True, 3, False),
    ],
)
def test_another_attempt_is_made(code: int, stopped: bool, left: int, again: bool) -> None:
    assert goes_on(code, stopped, left) is again


@pytest.mark.parametrize(
    ("end", "retries", "attempts", "code"),
    [
        ("sys.exit(0)", 3, 1, 0),
        ("sys.exit(1)", 2, 3, 1),
        ("sys.exit(2)", 2, 1, 2),
        ("sys.exit(130)", 2, 1, 130),
        ("os.kill(os.getpid(), 9)", 1, 2, 1),
    ],
)
def test_attempts_are_counted_and_the_last_code_is_the_end(end: str, retries: int, attempts: int, code: int) -> None:
    ended = subprocess.run(
        [*ATTEMPTS, str(retries), sys.executable, "-c", COUNT + end], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == code
    assert ended.stdout.splitlines().count("attempt") == attempts
    assert ended.stdout.count("begins anew: there is no checkpoint yet") == attempts - 1


FAILING = """
import json, os, sys
from pathlib import Path
from dist_bp.runtime.ray_job import announce, announce_failure
print('attempt', flush=True)
{}
announce_failure('the loss is not a number at step 3')
sys.exit(1)
"""


@pytest.mark.parametrize(
    ("before", "attempts"),
    [
        ("", 2),
        ("announce('run', Path('.'))", 2),
        ("announce('run', Path('.')); open('trials.jsonl', 'a').write('one more epoch')", 4),
        ("os.kill(os.getpid(), 9)", 4),
    ],
)
def test_a_failure_that_comes_again_without_progress_is_the_end(tmp_path: Path, before: str, attempts: int) -> None:
    command = [*ATTEMPTS, "3", sys.executable, "-c", FAILING.format(before)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stdout.splitlines().count("attempt") == attempts
    assert ("the same failure" in ended.stdout.splitlines()[-1]) is (attempts == 2)


def test_a_failing_command_says_why_to_its_parent(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DIST_BP_RUN_FILE", str(workplace / "run.json"))
    with pytest.raises(SystemExit):
        main(["train", "nowhere.yaml"])
    assert capsys.readouterr().err == f"error: {(workplace / 'run.failure').read_text()}\n"


def test_sigterm_waits_for_the_child_and_makes_no_other_attempt() -> None:
    """Ray sends the signal to all processes of a job."""
    child = (
        "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(1)); print('up', flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen(
        [*ATTEMPTS, "3", sys.executable, "-c", child], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert parent.stdout
    assert parent.stdout.readline() == "up\n"
    os.killpg(parent.pid, signal.SIGTERM)
    rest, _ = parent.communicate(timeout=30)
    assert (parent.returncode, rest) == (1, "")


def test_an_attempt_that_begins_anew_records_in_the_same_run(
    workplace: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(DIGITS, ".")
    shutil.copy(empty_database, "mlflow.db")
    told = workplace / "run.json"
    monkeypatch.setenv("DIST_BP_RUN_FILE", str(told))
    short = ["scaling.num_workers=0", "train.epochs=3", "tracking.log_model=false"]
    runs = []
    for _ in range(2):
        with pytest.raises(SystemExit):
            main(["train", "digits.yaml", *short, "--json"])
        runs.append(json.loads(capsys.readouterr().out)["run_id"])
        shutil.rmtree("runs")
        assert resume_options(told) == []
    assert runs[0] == runs[1]


def test_a_run_without_checkpoint_begins_anew(tmp_path: Path) -> None:
    told = tmp_path / "run.json"
    assert resume_options(told) == []
    told.write_text(json.dumps({"run_id": "a", "folder": str(tmp_path)}))
    assert resume_options(told) == []
