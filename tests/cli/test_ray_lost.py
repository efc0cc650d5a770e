"""Ray's own processes end or are stopped: the run ends with their name, a checkpoint, and nothing left behind."""

import re
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.cli.running import COMMAND, CONFIG, Running, status_of
from tests.conftest import shared_memory_files
from tests.database import rows

SIGNALS = {signal.SIGSTOP: "has been stopped by a signal", signal.SIGKILL: "has crashed or was killed"}
NAMES = {"raylet": "raylet", "gcs_server": "GCS"}


@pytest.fixture(autouse=True)
def folder(workplace: Path, database: Path) -> Path:
    (workplace / "job.yaml").write_text(CONFIG)
    return workplace


def ray_folder(raylet: psutil.Process) -> Path:
    """The guarded folder of a private Ray."""
    found = re.search(r"=(\S+/dist_bp-[0-9a-f]{8})/ray/", " ".join(raylet.cmdline()))
    assert found
    return Path(found[1])


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("program", NAMES)
def test_in_training(program: str, number: int) -> None:
    memory = shared_memory_files()
    with Running("tracking.log_model=false") as running:
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


def test_while_it_starts() -> None:
    process = subprocess.Popen([*COMMAND, "train", "job.yaml"], stderr=subprocess.PIPE, text=True)
    try:
        raylet = wait_for_raylet(psutil.Process(process.pid))
        guarded = ray_folder(raylet)
        children = psutil.Process(process.pid).children(recursive=True)
        raylet.send_signal(signal.SIGSTOP)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 1
    assert f"error: Ray's raylet (process {raylet.pid}) has been stopped by a signal" in errors
    assert rows("select status from runs") == [("FAILED",)]
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
