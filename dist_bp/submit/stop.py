"""Stops a job: gracefully the first time, at once the second."""

import shlex
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dist_bp.errors import DistBpError
from dist_bp.messages import last_line
from dist_bp.submit import killer
from dist_bp.submit.client import ENDED, JobsClient, RayJob, Unreachable
from dist_bp.submit.request import STOP_SECONDS, python
from dist_bp.submit.state import stop_mark
from dist_bp.typed import command, option

LOOK_SECONDS = 0.3
KILL_SECONDS = 60.0


def stop_job(client: JobsClient, session: str, name: str, now: bool, say: Callable[[str], None]) -> RayJob:
    """Asks a job to stop, waits until it has ended and returns it.

    Where it has been asked before, has not started, or `now`, it is ended at once.

    Raises DistBpError where it has not ended in time, KeyboardInterrupt on Ctrl-C: the job goes on stopping.
    """
    mark = stop_mark(session, name)
    job = client.job(name)
    if job["status"] in ENDED:
        mark.unlink(missing_ok=True)
        return job
    if now or mark.exists() or job["status"] == "PENDING":
        say(f"ending job {name} at once")
        job = _kill(client, job)
    else:
        mark.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        say(f"stopping job {name}: it saves a checkpoint first; the same command again ends it at once")
        client.stop(name)
        mark.touch()
        job = _wait(client, name, STOP_SECONDS + KILL_SECONDS)
    mark.unlink(missing_ok=True)
    return job


def last_words(client: JobsClient, name: str) -> str:
    """The last line that a job has logged."""
    return last_line(client.logs(name)).removeprefix("error: ") or "it has logged nothing"


def _kill(client: JobsClient, job: RayJob) -> RayJob:
    """The Jobs API can only ask a job to stop, so a small job of the same cluster kills its processes."""
    name = job["submission_id"]
    client.stop(name)
    text = Path(killer.__file__).read_text(encoding="utf-8")
    command = [python(client.dashboard, {}), "-c", text, name, *filter(None, [job["driver_node_id"]])]
    client.submit({"entrypoint": shlex.join(command), "metadata": {"job_name": f"stop {name}"}})
    return _wait(client, name, KILL_SECONDS)


def _wait(client: JobsClient, name: str, seconds: float) -> RayJob:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with suppress(Unreachable):
            if (job := client.job(name))["status"] in ENDED:
                return job
        time.sleep(LOOK_SECONDS)
    again = command("jobs", "stop", name, *option("--address"))
    raise DistBpError(f"job {name} has not ended in {seconds:g} s: {again} again ends it")
