"""A call into Ray has a deadline, and ends when something is known to be wrong with Ray."""

import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from dist_bp.config import render
from dist_bp.runtime.calls import Caller, RayLost
from tests.conftest import JobMaker


def test_results_and_errors_arrive_and_the_thread_stays() -> None:
    caller = Caller()
    threads = {caller.call("it was asked", threading.get_ident, 5, Future()) for _ in range(3)}
    assert len(threads) == 1
    assert threads != {threading.get_ident()}
    with pytest.raises(ZeroDivisionError):
        caller.call("it was asked", lambda: 1 // 0, 5, Future())
    assert not caller.busy


def test_what_does_not_answer_is_told_with_what_went_on() -> None:
    caller, release = Caller(), threading.Event()
    with pytest.raises(RayLost, match=r"^Ray did not answer for 0\.2 s while its nodes were asked for$"):
        caller.call("its nodes were asked for", release.wait, 0.2, Future())
    assert caller.busy
    release.set()


def test_a_deadline_of_the_configuration_is_named_where_it_has_passed() -> None:
    caller, release = Caller(), threading.Event()
    remedy = r"\(raise ray\.start_seconds where it takes longer\)"
    with pytest.raises(RayLost, match=rf"^Ray did not answer for 0\.1 s while it started {remedy}$"):
        caller.call("it started", release.wait, 0.1, Future(), "ray.start_seconds")
    release.set()


def test_trouble_ends_the_wait_but_not_an_answer_that_is_there() -> None:
    caller, release = Caller(), threading.Event()
    trouble: Future[str] = Future()
    threading.Timer(0.1, trouble.set_result, ["the raylet is gone"]).start()
    started = time.monotonic()
    with pytest.raises(RayLost, match="the raylet is gone"):
        caller.call("it started", release.wait, 60, trouble)
    assert time.monotonic() - started < 10
    release.set()
    assert Caller().call("it was asked", lambda: 7, 5, trouble) == 7


LATE = """
import sys, threading
from concurrent.futures import Future
from contextlib import suppress
from dist_bp.runtime import calls
calls.AFTERWARDS_SECONDS = 0.1
with suppress(calls.RayLost):
    calls.CALLER.call("it ended", threading.Event().wait, 0.1, Future())
calls.CALLER.late()
with suppress(calls.RayLost):
    calls.CALLER.rest(0.1)
result = open("result", "w")
result.write("whole")
"""


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("", 0),
        ("raise ValueError", 1),
        ("sys.exit()", 0),
        ("sys.exit(3)", 3),
        ("sys.exit('wrong')", 1),
        ("exit(4)", 4),
        ("threading.Thread(target=sys.exit, args=[5]).start()", 0),
        ("calls.CALLER.abandon()", 1),
        ("calls.CALLER.abandon(); sys.exit(0)", 0),
        ("calls.CALLER.abandon(); sys.exit(3)", 3),
    ],
)
def test_a_process_whose_ray_never_ends_keeps_its_files_and_its_code(workplace: Path, end: str, code: int) -> None:
    ended = subprocess.run([sys.executable, "-c", LATE + end], capture_output=True, timeout=60, check=False)
    assert ended.returncode == code, ended.stderr
    assert Path("result").read_text() == "whole"


TWICE = """
import sys, time
from contextlib import suppress
import psutil, ray
from dist_bp.config import load_config
from dist_bp.runtime import cluster
from dist_bp.train.job import run_job
cluster.END_SECONDS = 0.1
shutdown, heard = ray.shutdown, set()
def slow(*arguments):
    if ray.is_initialized():
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        for process in family:
            with suppress(psutil.Error):  # the warden may be ending it
                found = process.net_connections("inet")
                heard.update(one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN)
        time.sleep(2)
    shutdown(*arguments)
ray.shutdown = slow
results = [run_job(load_config("job.yaml")).parameters_sha256 for _ in range(2)]
assert results[0] == results[1]
print(*heard, file=open("result", "w"))
sys.exit(3)
"""


def test_after_a_late_end_of_ray_the_next_run_starts_one(database: Path, make_job: JobMaker) -> None:
    Path("job.yaml").write_text(render(make_job(scaling={"num_workers": 1}, train={"epochs": 1})))
    ended = subprocess.run([sys.executable, "-c", TWICE], capture_output=True, timeout=200, check=False, text=True)
    assert ended.returncode == 3, ended.stderr
    heard = {*Path("result").read_text().split()}
    assert heard, "the processes of Ray listen"
    assert heard <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}, "though the script has imported Ray before"
