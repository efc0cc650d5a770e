"""`dist-bp cluster`: a head that is up, dead, down."""

import json
import re
import shutil
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path

import psutil

from dist_bp.processes import patience
from dist_bp.submit.head import claim
from tests.forks import Forked
from tests.submit.local_head import DIGITS, ENDLESS, Place, is_alive, processes_of, wait_for


def test_a_head_from_up_to_down(tmp_path: Path, database: Path) -> None:
    place = Place(tmp_path, tmp_path / "state")
    assert place.run("cluster", "status").returncode == 1
    assert place.run("cluster", "down").stdout == "no local head is up\n"
    up = json.loads(place.run_apart("cluster", "up", "--json").stdout)
    folder = place.head()["folder"]
    assert stat.S_IMODE(Path(up["token_path"]).stat().st_mode) == 0o600
    again = place.run("cluster", "up")
    assert again.stdout.startswith(f"is up already: {up['address']}")
    told = place.json("cluster", "status")
    assert (told["alive"], told["address"], told["num_cpus"]) == (True, up["address"], up["num_cpus"])
    assert listening_beyond_loopback(folder) == []
    (raylet,) = (process for process in processes_of(folder) if process.name() == "raylet")
    raylet.suspend()
    stopped = place.run("cluster", "status")
    raylet.resume()
    assert stopped.returncode == 1
    assert re.search(r"dead: .* 1 of its \d+ processes have been stopped by a signal; .*cluster up", stopped.stdout)
    everything = processes_of(folder)
    killed = [psutil.Process(int(pid)) for pid in place.head()["processes"]]
    lose_its_gcs(place)
    for process in killed:
        with suppress(psutil.NoSuchProcess):  # it went with the GCS
            process.kill()
    psutil.wait_procs(killed, timeout=10)
    started = time.monotonic()
    dead = place.run("jobs", "list")
    assert time.monotonic() - started < 15
    assert dead.returncode == 2
    assert "so the head of `dist-bp cluster up` is dead: `dist-bp cluster down`" in dead.stderr
    assert len(dead.stderr.splitlines()) == 1
    status = place.run("cluster", "status", "--json")
    assert (status.returncode, json.loads(status.stdout)["alive"]) == (1, False)
    stopping = place.state / "dist_bp" / "stopping"
    stopping.mkdir()
    session = (Path(folder) / "ray" / "session_latest").resolve().name
    marks = [stopping / f"{name}-job" for name in (session, "session_of_another_cluster")]
    for mark in marks:
        mark.touch()
    assert place.run("cluster", "down").returncode == 0
    assert [mark.exists() for mark in marks] == [False, True]
    assert not [process for process in (*everything, *processes_of(folder)) if is_alive(process)]
    assert not Path(folder).exists()
    assert not list((place.state / "dist_bp" / "cluster").iterdir())


def lose_its_gcs(place: Place) -> None:
    """A training on the head tells that, and saves a checkpoint."""
    shutil.copy(DIGITS, place.folder)
    arguments = ("train", "digits.yaml", *ENDLESS, "scaling.num_workers=1", "ray.address=auto")
    with Forked(*arguments, env=place.environment, cwd=place.folder) as training:
        wait_for(place.runs_with_checkpoints)
        (gcs,) = (process for process in processes_of(place.head()["folder"]) if process.name() == "gcs_server")
        gcs.kill()
        started = time.monotonic()
        _, errors = training.communicate(60)
        assert training.returncode == 1
        assert time.monotonic() - started < patience(15)
    told = rf"error: Ray's GCS \(process {gcs.pid}\) has crashed or was killed: .* checkpoint saved; go on with .*"
    assert re.fullmatch(told, errors.splitlines()[-1]), errors
    (run,) = place.runs_with_checkpoints()
    assert place.run_status(run) == "FAILED"


def listening_beyond_loopback(folder: str) -> list[str]:
    return [
        f"{process.name()} at {connection.laddr}"
        for process in processes_of(folder)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
        and connection.laddr.ip not in ("127.0.0.1", "::1", "::ffff:127.0.0.1")
    ]


def test_of_two_that_start_at_once_one_has_the_usual_port() -> None:
    with claim(5) as one, claim(5) as other:
        assert (one, other) == (True, False)
    with claim(5) as again:
        assert again


def test_a_taken_port_is_refused(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "state")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        refused = place.run("cluster", "up", "--dashboard-port", port)
    assert (refused.returncode, refused.stderr) == (2, f"error: port {port} is taken: give another one, or none\n")
    assert place.run("cluster", "status").returncode == 1
