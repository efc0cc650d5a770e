"""The watch tells of a raylet or GCS that is gone or stays stopped, and of nothing else."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import TimeoutError as TooLate
from pathlib import Path

import pytest

from dist_bp.processes import Known, known, mentioning
from dist_bp.runtime import watch
from dist_bp.runtime.watch import RayWatch

Starter = Callable[..., "subprocess.Popen[bytes]"]
Finder = Callable[..., None]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Starter]:
    """Starts a process with the name of one of Ray's, and the folder and the option of Redis in its command line."""
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.02)
    started = []

    def new(name: str, redis: str = "") -> "subprocess.Popen[bytes]":
        program = Path(shutil.copy(shutil.which("bash") or "", tmp_path / name))
        started.append(
            subprocess.Popen([program, "-c", "while true; do read -t 9 <> <(:); done", tmp_path / "ray", redis])
        )
        return started[-1]

    yield new
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def until_known(monkeypatch: pytest.MonkeyPatch) -> Finder:
    """Waits until a watch has found a process, of which it asks what the system knows."""
    found: set[int] = set()

    def noted(pids: Iterable[int]) -> Known:
        of_them = known(pids)
        found.update(of_them)
        return of_them

    monkeypatch.setattr(watch, "known", noted)

    def wait(looking: RayWatch, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + 20
        while process.pid not in found:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        looking.look()  # the look that has found it has come to its end

    return wait


@pytest.mark.parametrize(("program", "name"), [("raylet", "raylet"), ("gcs_server", "GCS")])
def test_a_killed_one_is_told_at_once(
    tmp_path: Path, start: Starter, until_known: Finder, program: str, name: str
) -> None:
    looking = RayWatch(tmp_path / "ray")
    killed = start(program)
    start("another").kill()
    until_known(looking, killed)
    assert not looking.trouble.done()
    killed.kill()
    assert looking.trouble.result(5).startswith(f"Ray's {name} (process {killed.pid}) has crashed or was killed: ")


def test_one_that_stays_stopped_is_told(
    tmp_path: Path, start: Starter, until_known: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = RayWatch(tmp_path / "ray")
    gcs = start("gcs_server")
    until_known(looking, gcs)
    gcs.send_signal(signal.SIGSTOP)
    gcs.send_signal(signal.SIGCONT)
    with pytest.raises(TooLate):
        looking.trouble.result(0.5)
    gcs.send_signal(signal.SIGSTOP)
    assert looking.trouble.result(5).startswith(f"Ray's GCS (process {gcs.pid}) has been stopped by a signal")


def test_while_ray_ends_only_a_stop_is_told(tmp_path: Path, start: Starter, until_known: Finder) -> None:
    looking = RayWatch(tmp_path / "ray")
    raylet, gcs = start("raylet"), start("gcs_server")
    until_known(looking, raylet)
    until_known(looking, gcs)
    looking.let_end()
    raylet.kill()
    raylet.wait()
    looking.look()
    assert not looking.trouble.done()
    gcs.send_signal(signal.SIGSTOP)
    assert looking.trouble.result(5).startswith(f"Ray's GCS (process {gcs.pid}) has been stopped by a signal")


def test_after_its_end_it_is_silent(tmp_path: Path, start: Starter, until_known: Finder) -> None:
    raylet = start("raylet")
    looking = RayWatch(tmp_path / "ray")
    until_known(looking, raylet)
    looking.close()
    raylet.kill()
    raylet.wait()
    looking.look()
    assert not looking.trouble.done()


def test_a_gcs_that_keeps_what_it_knows_may_come_back_in_time(
    tmp_path: Path, start: Starter, until_known: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    looking = RayWatch(tmp_path / "ray")
    for _ in range(2):
        gcs = start("gcs_server", "--redis_address=127.0.0.1")
        until_known(looking, gcs)
        gcs.kill()
        gcs.wait()
        looking.look()
        assert not looking.trouble.done()
    monkeypatch.setattr(watch, "RECONNECT_SECONDS", 0.1)  # of waiting for the third
    told = looking.trouble.result(60)
    assert told.startswith(f"Ray's GCS (process {gcs.pid}) has crashed or was killed, and has not come back")


def test_what_is_not_there_is_not_looked_for_for_ever(
    tmp_path: Path, start: Starter, until_known: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[str] = []

    def counted(text: str) -> set[int]:
        looks.append(text)
        return mentioning(text)

    monkeypatch.setattr(watch, "mentioning", counted)
    monkeypatch.setattr(watch, "FIND_SECONDS", 0.2)
    looking = RayWatch(tmp_path / "ray")
    until_known(looking, start("raylet"))
    time.sleep(0.5)
    before = len(looks)
    time.sleep(0.3)
    assert len(looks) == before
    assert not looking.trouble.done()
    looking.close()
