"""A Ray head on this machine, for its user alone: token authentication on, nothing listening beyond loopback."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from dist_bp.control_group import local_cpus
from dist_bp.errors import DistBpError, SubmitError
from dist_bp.messages import last_line
from dist_bp.processes import STOPPED, Known, alive, descendants, known, mentioning, patience, state_of, working_in
from dist_bp.runtime.cluster import LOOPBACK
from dist_bp.runtime.lean_ray import AHEAD, LOOPBACK_ONLY, REPORTS
from dist_bp.runtime.ray_job import in_job
from dist_bp.runtime.temporary import temporary_folder
from dist_bp.submit.address import find_dashboard
from dist_bp.submit.client import ENDED, JobsClient, NotFound
from dist_bp.submit.state import HEAD, TOKEN, Head, forget_stops, locked, read_head, state_folder, write_head
from dist_bp.typed import command

DASHBOARD_PORT = 8265
START_SECONDS = 60.0
STOP_JOBS_SECONDS = 60.0
END_SECONDS = 5.0
MARK = "DIST_BP_HEAD"
"""Environment variable that all processes of a head, and of its jobs, inherit: the head's folder."""

SWITCHES = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0", **LOOPBACK_ONLY}
NOT_INHERITED = (
    "RAY_ADDRESS",
    "RAY_API_SERVER_ADDRESS",
    "RAY_AUTH_TOKEN",
    "RAY_JOB_CONFIG_JSON_ENV_VAR",
    "RAY_JOB_HEADERS",
)


def start_head(
    port: int | None = None, dashboard_port: int | None = None, cpus: int | None = None
) -> tuple[Head, bool]:
    """The local head and whether it was started now; one that is up is kept, what is left of a dead one removed.

    Raises SubmitError for a port that is taken, DistBpError where Ray does not start.
    """
    with locked(), claim(DASHBOARD_PORT) as ours:
        if head := read_head():
            problem = whats_wrong(head)
            if problem is None:
                return head, False
            if not _lost(head):
                remedy = f"try again, or end it with {command('cluster', 'down')}"
                raise DistBpError(f"the head is there, but {problem}: {remedy}")
            _remove(head)
        taken = [number for number in (port, dashboard_port) if number and not _is_free(number)]
        if taken:
            raise SubmitError([f"port {number} is taken: give another one, or none" for number in taken])
        dashboard_port = dashboard_port or (DASHBOARD_PORT if ours and _is_free(DASHBOARD_PORT) else _free_port())
        head = _new_head(dashboard_port, cpus or local_cpus())
        try:
            return _start(head, port, dashboard_port), True
        except BaseException:
            _remove(head)
            raise


def stop_head(say: Callable[[str], None]) -> Head | None:
    """Ends the local head, its jobs first, and removes its files; returns what it was, None where there was none."""
    if not state_folder().exists():
        return None
    with locked():
        head = read_head()
        if head:
            _stop_jobs(say)
            _remove(head)
    return head


def offer_head(address: str) -> None:
    """Makes the local head, where one is up, the Ray that `ray.address: auto` finds; the user's RAY_ADDRESS is first.

    For commands: it sets variables of the environment, before Ray is imported.
    """
    if address != "auto" or in_job() or os.environ.get("RAY_ADDRESS"):
        return
    head = read_head()
    if head and not _lost(head):
        os.environ.pop("RAY_AUTH_TOKEN", None)
        os.environ.update(SWITCHES | {"RAY_ADDRESS": head.ray_address, "RAY_AUTH_TOKEN_PATH": str(head.token_path)})


def whats_wrong(head: Head) -> str | None:
    """Why the head is of no use; None where it is well."""
    if lost := _lost(head):
        return lost
    try:
        JobsClient(find_dashboard(head.address, {})).connect()
    except SubmitError as error:
        return str(error)
    return None


def _lost(head: Head) -> str | None:
    """Tells of processes that should be there and are not, or have been stopped."""
    states = [state_of({pid: started}) for pid, started in head.processes.items()]
    if None in states or not states:
        return f"{states.count(None)} of its {len(states)} processes have ended"
    if stopped := sum(state in STOPPED for state in states):
        return f"{stopped} of its {len(states)} processes have been stopped by a signal"
    return None


def _new_head(dashboard_port: int, cpus: int) -> Head:
    """Remembered before it is started, so that `stop_head` finds it whatever happens then."""
    token_path = state_folder() / TOKEN
    token_path.unlink(missing_ok=True)
    with open(os.open(token_path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secrets.token_hex(32))
    folder = Path(tempfile.mkdtemp(prefix="dist_bp-", dir=temporary_folder()))
    head = Head(f"http://{LOOPBACK}:{dashboard_port}", "", folder, token_path, sys.executable, cpus)
    write_head(head)
    return head


def _start(head: Head, port: int | None, dashboard_port: int) -> Head:
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--disable-usage-stats"]
    command += ["--node-ip-address", LOOPBACK, "--dashboard-host", LOOPBACK, "--temp-dir", str(head.folder / "ray")]
    ports = {
        "port": port or 0,
        "dashboard-port": dashboard_port,
        "ray-client-server-port": _free_port(),
        "dashboard-agent-listen-port": 0,
        "min-worker-port": 0,
        "max-worker-port": 0,
    }
    for name, number in ports.items():
        command += [f"--{name}", str(number)]
    log, seconds = head.folder / "start.log", patience(START_SECONDS)
    with log.open("wb") as file:
        try:
            code = subprocess.run(
                [*command, "--num-cpus", str(head.num_cpus)],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env=_environment(head),
                cwd=head.folder,
                timeout=seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise DistBpError(f"Ray did not start within {seconds:.0f} s") from error
    if code:
        said = last_line(log.read_text(encoding="utf-8", errors="replace"))
        raise DistBpError(f"Ray did not start: {said or 'it says nothing'}")
    ray_address = (head.folder / "ray" / "ray_current_cluster").read_text(encoding="utf-8").strip()
    first = mentioning(str(head.folder)) & mentioning(_mark(head), "environ")
    head = replace(head, ray_address=ray_address, processes=known(first))
    write_head(head)
    _wait_for_answer(head)
    return head


def _environment(head: Head) -> dict[str, str]:
    """`python` is this one, so that jobs find dist_bp where this command found it."""
    environment = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
    path = f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
    return (
        environment
        | SWITCHES
        | AHEAD
        | REPORTS
        | {"RAY_AUTH_TOKEN_PATH": str(head.token_path), "PATH": path, MARK: str(head.folder)}
        | {"TMPDIR": str(head.folder)}  # what a killed process of Ray or of a job leaves there goes with the head
    )


def _wait_for_answer(head: Head) -> None:
    deadline = time.monotonic() + patience(START_SECONDS)
    while problem := whats_wrong(head):
        if time.monotonic() > deadline:
            raise DistBpError(f"Ray started but is of no use: {problem}")
        time.sleep(0.2)


def _stop_jobs(say: Callable[[str], None]) -> None:
    """Lets jobs save a checkpoint and close their runs, as far as the head still can."""
    with contextlib.suppress(SubmitError):
        client = JobsClient(find_dashboard(None, {}))
        running = [job["submission_id"] for job in client.jobs() if job["status"] not in ENDED]
        for name in running:
            say(f"stopping job {name}")
            with contextlib.suppress(NotFound):
                client.stop(name)
        deadline = time.monotonic() + patience(STOP_JOBS_SECONDS)
        while any(client.job(name)["status"] not in ENDED for name in running) and time.monotonic() < deadline:
            time.sleep(0.2)


def _remove(head: Head) -> None:
    """Ends every process of a head, first by asking, and removes its files."""
    found: Known = {}
    for number, seconds in ((signal.SIGTERM, END_SECONDS), (signal.SIGKILL, END_SECONDS)):
        deadline = time.monotonic() + seconds
        asked: set[int] = set()
        while time.monotonic() < deadline:
            found |= _processes(head, found)
            left = alive(found)
            if not left:
                break
            for pid in left - asked:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
            asked |= left
            time.sleep(0.1)
    for session in (head.folder / "ray").glob("session_*"):
        forget_stops(session.name)
    shutil.rmtree(head.folder, ignore_errors=True)
    head.token_path.unlink(missing_ok=True)
    (state_folder() / HEAD).unlink(missing_ok=True)


def _processes(head: Head, found: Known) -> Known:
    """The head's processes: those it was remembered with, those that bear its mark, and what these have started."""
    roots = alive(head.processes | found) | mentioning(_mark(head), "environ")
    roots |= working_in(head.folder, "ray::")  # Ray gives some a title, which wipes their environment
    return known(roots.union(*map(descendants, roots)) - {os.getpid(), os.getppid()})


def _mark(head: Head) -> str:
    return f"{MARK}={head.folder}"


@contextlib.contextmanager
def claim(port: int) -> Iterator[bool]:
    """Whether nobody else of this machine is about to start a head at a port, on which nothing listens yet."""
    with socket.socket(socket.AF_UNIX) as claim:
        try:
            claim.bind(f"\0dist_bp-head-{port}")
            ours = True
        except OSError:
            ours = False
        yield ours


def _is_free(port: int) -> bool:
    with socket.socket() as test:
        test.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            test.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as test:
        test.bind((LOOPBACK, 0))
        return int(test.getsockname()[1])
