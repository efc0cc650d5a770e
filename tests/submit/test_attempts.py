"""Deciding about another attempt, and making it."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dist_bp.cli.main import main
from dist_bp.submit.attempts import resume_options, why_not
from dist_bp.submit.ending import Ending
from tests.submit.local_head import DIGITS

ATTEMPTS = [sys.executable, "-m", "dist_bp.submit.attempts"]
COUNT = "import os, sys; print('attempt', flush=True); "


def ending(cause: str | None = "the loss is NaN at step 7", reached: str = "step 5", code: int = 1) -> Ending:
    return Ending(code, cause, reached)


KILLED, CRASHED = ending(None, code=-signal.SIGKILL), ending(None, code=-signal.SIGSEGV)


@pytest.mark.parametrize(
    ("endings", "again"),
    [
        ([ending()], True),
        ([ending(), ending()], False),
        ([ending(), ending("the loss is NaN at step 8")], True),
        ([ending(), ending(reached="step 10")], True),
        ([ending(), ending("worker 1 died"), ending()], True),
        ([ending(), ending("worker 1 died"), ending("worker 1 died")], False),
        ([ending(), KILLED, ending()], True),
        ([KILLED, KILLED, KILLED], True),  # from outside, which may not come again
        ([CRASHED, CRASHED], False),
        ([ending(None), ending(None)], True),  # nothing is known of it
        ([KILLED, KILLED, KILLED, KILLED], False),
    ],
)
def test_another_attempt_is_made_unless_it_would_end_as_the_last_two(endings: list[Ending], again: bool) -> None:
    assert (why_not(endings, 4) == "") is again


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("worker 1 (pid 4711) died", "worker 1 (pid 812) died", True),
        ("worker 1 died", "worker 0 died", False),
        ("no answer from 10.0.0.1:41234 for 5.3 s", "no answer from 10.0.0.1:50012 for 4.98 s", True),
        ("no answer from 10.0.0.1:41234", "no answer from 10.0.0.2:41234", False),
        ("<Layer object at 0x7f00aa> is odd", "<Layer object at 0x7e11bb> is odd", True),
        ("actor 5f0e1c2b9a is gone", "actor 77de00aa1c is gone", True),
        ("run 0b1f0f3e-77de-4f00-aa1c-0123456789ab", "run 1c2b9a3e-88df-4a01-bb2d-ba9876543210", True),
        ("2026-11-27 10:00:01 it ended", "2026-11-28T23:59:59.123 it ended", True),
        ("/tmp/tmpx1y2/a.npz is gone", "/tmp/tmpz9_k/a.npz is gone", True),
        ("12.5 MB are free", "9.25 MB are free", True),
        ("not readable: step-000000005", "not readable: step-000000006", False),
        ("class 17 of 12 at row 300", "class 17 of 12 at row 301", False),
    ],
)
def test_a_cause_is_the_same_whatever_varies_by_itself(one: str, other: str, same: bool) -> None:
    assert ending(one).repeats(ending(other)) is same


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
number = int(Path('number').read_text()) if Path('number').exists() else 1
Path('number').write_text(str(number + 1))
announce('run', Path('.'))
def journal(*events):
    with open('trials.jsonl', 'a') as file:
        file.writelines(json.dumps(event) + os.linesep for event in events)
began = [
    dict(event='sweep', config='name: digits', parent='p0'),
    dict(event='trial', trial=0, values=dict(), run_id='r0'),
]
epoch = dict(event='epoch', trial=0, epoch=number, score=0.5, value=0.5, metrics=dict(), seconds=1.0)
{}
announce_failure(f'worker 1 (pid {{os.getpid()}}) found no number at step 3')
sys.exit(1)
"""


@pytest.mark.parametrize(
    ("before", "attempts"),
    [
        ("", 2),
        ("journal(*began)", 2),  # no trial got any further
        ("journal(*began, epoch)", 4),
        ("os.kill(os.getpid(), 9)", 4),
    ],
)
def test_a_failure_that_comes_again_without_progress_is_the_end(tmp_path: Path, before: str, attempts: int) -> None:
    command = [*ATTEMPTS, "3", sys.executable, "-c", FAILING.format(before)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines.count("attempt") == attempts
    *history, why = lines[-1 - attempts :]
    assert ("the same failure twice" in why, "4 attempts are over" in why) == (attempts == 2, attempts == 4)
    assert why.startswith("not tried again: ")
    cause = (
        "the driver was killed by SIGKILL" if "kill" in before else r"worker 1 \(pid \d+\) found no number at step 3"
    )
    for number, line in enumerate(history, start=1):
        assert re.match(f"attempt {number} of 4: {cause} \\(", line)
    assert ("1 epoch of all)" in history[0]) is ("epoch" in before)


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
