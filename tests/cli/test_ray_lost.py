"""Ray's own processes end or are stopped: the run ends with their name, a checkpoint, and nothing left behind."""

import re
import signal
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from dist_bp.processes import patience
from tests.cli.running import COMMAND, CONFIG, ONE_OF_EACH, Running, ray_folder, status_of
from tests.commands import run_here
from tests.conftest import shared_memory_files
from tests.database import rows
from tests.forks import Forked

SIGNALS = {signal.SIGSTOP: "has been stopped by a signal", signal.SIGKILL: "has crashed or was killed"}
NAMES = {"raylet": "raylet", "gcs_server": "GCS"}


@pytest.fixture(autouse=True)
def folder(workplace: Path, database: Path) -> Path:
    (workplace / "job.yaml").write_text(CONFIG)
    return workplace


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("program", NAMES)
def test_in_training(program: str, number: int) -> None:
    memory = shared_memory_files()
    with Running("tracking.log_model=false", *ONE_OF_EACH) as running:
        own = {child.name(): child for child in running.children if child.name() in NAMES}
        guarded = ray_folder(own["raylet"])
        assert guarded.stat().st_mode & 0o777 == 0o700
        family = [psutil.Process(running.process.pid), *running.children]
        listening = {
            connection.laddr.ip
            for process in family
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listening
        assert listening <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
        own[program].send_signal(number)
        code, errors, seconds = running.end()
        assert code == 1
        assert seconds < 15
        told = rf"error: Ray's {NAMES[program]} \(process {own[program].pid}\) {SIGNALS[signal.Signals(number)]}: .*"
        step = re.fullmatch(told + r" after step (\d+): checkpoint saved; go on with .*", errors.splitlines()[-1])
        assert step, errors
        assert Path("runs", running.run_id, "checkpoints", f"step-{int(step[1]):09}", "manifest.json").is_file()
        assert status_of(running.run_id) == "FAILED"
        running.assert_nothing_left()
        assert not guarded.exists()
    assert shared_memory_files() <= memory


@pytest.mark.parametrize("number", SIGNALS)
def test_in_the_last_evaluation(number: int) -> None:
    """What has all it needs is done, even if Ray is stopped; what has not tells how to get it."""
    killed = number == signal.SIGKILL
    layer = "{type: 'tests.runtime.layers:Orphaned', signal: %d, seconds: %d}"
    job = ["train", "job.yaml", "tracking.log_model=false", "data.split.validation=0", *ONE_OF_EACH]
    job += [f"model.layers=[{layer % (number, 20 * killed)}, {{type: dense, units: 3}}]"]
    with Forked(*job) as command:
        _, errors = command.communicate(patience(60))
    (run_id,) = (path.name for path in Path("runs").glob("[!.]*") if not path.is_symlink())
    assert command.returncode == killed, errors
    assert status_of(run_id) == ("FAILED" if killed else "FINISHED")
    assert Path("runs", run_id, "model").is_dir() != killed
    if killed:
        told = rf"error: Ray's raylet .* was killed: .*; the last checkpoint is of step 40; go on with .* {run_id}`"
        assert re.fullmatch(told, errors.splitlines()[-1]), errors
        go_on = ["scaling.num_workers=0", "--resume", run_id]
        resumed = run_here(*job, *go_on)
        assert resumed.returncode == 0, resumed.stderr
    assert rows("select count(*) from metrics where run_uuid = ? and key = 'test_loss'", run_id) == [(1,)]


CONNECTING = """
import signal
import psutil
from dist_bp.cli.main import main
from dist_bp.runtime.cluster import import_ray
import_ray(own=True)
from ray._private import worker
connect = worker.connect
def stopped(*arguments, **options):
    for child in psutil.Process().children(recursive=True):
        if child.name() == "raylet":
            child.send_signal(signal.SIGSTOP)
    return connect(*arguments, **options)
worker.connect = stopped
main()
"""
"""While Ray connects to its raylet it holds all threads of the command."""


@pytest.mark.parametrize("script", [COMMAND[-1], CONNECTING], ids=["at once", "connecting"])
def test_while_it_starts(script: str) -> None:
    command = [*COMMAND[:-1], script, "train", "job.yaml", *ONE_OF_EACH]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        raylet = wait_for_raylet(psutil.Process(process.pid))
        guarded = ray_folder(raylet)
        children = psutil.Process(process.pid).children(recursive=True)
        if script != CONNECTING:
            raylet.send_signal(signal.SIGSTOP)
        while raylet.status() != psutil.STATUS_STOPPED:
            time.sleep(0.05)
        started, told, said = time.monotonic(), None, ""
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stderr
        for line in process.stderr:
            said += line
            if f"error: Ray's raylet (process {raylet.pid}) has been stopped by a signal" in line:
                told = time.monotonic() - started
        watchdog.cancel()
        process.wait(10)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert told is not None, said
    assert told < patience(15)
    if script != CONNECTING:  # there Ray may end the command while MLflow makes its run
        assert {status for (status,) in rows("select status from runs")} <= {"FAILED"}
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert not guarded.exists()


def wait_for_raylet(driver: psutil.Process) -> psutil.Process:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for child in driver.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                if child.name() == "raylet" and "--raylet" in " ".join(child.cmdline()):
                    return child
        time.sleep(0.02)
    raise AssertionError("no raylet")
