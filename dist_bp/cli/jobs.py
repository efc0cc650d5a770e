"""`jobs list|status|logs|stop`: what becomes of submitted jobs."""

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dist_bp.cli.options import AsJson, text_stream
from dist_bp.messages import last_line
from dist_bp.typed import command, option

if TYPE_CHECKING:
    from dist_bp.submit.client import JobsClient, RayJob

Address = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="The cluster's dashboard; default: that of `cluster up`, else RAY_API_SERVER_ADDRESS or RAY_ADDRESS.",
    ),
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's submission id.")]

EXIT_CODES = {"SUCCEEDED": 0, "STOPPED": 130}
FACTS = ("submission_id", "status", "message", "entrypoint", "start_time", "end_time", "driver_exit_code", "metadata")


def list_jobs(address: Address = None, as_json: AsJson = False) -> None:
    """List the jobs of a cluster, the newest first."""
    client = _connected(address)[0]
    jobs = client.jobs()
    out = text_stream(as_json)
    for job in jobs:
        told = job["metadata"] or {}
        name, run = told.get("job_name") or "-", told.get("mlflow_run_id") or "-"
        print(f"{job['submission_id']:28}  {job['status']:9}  {_when(job)}  {_took(job):>8}  {name}  {run}", file=out)
    if not jobs:
        print(f"no jobs at {client.dashboard.address}", file=out)
    if as_json:
        print(json.dumps({"jobs": [facts(job) for job in jobs]}))


def status(name: JobId, address: Address = None, as_json: AsJson = False) -> None:
    """Tell how a job is."""
    job = _connected(address)[0].job(name)
    told = job["metadata"] or {}
    rows = {
        "job": name,
        "status": job["status"],
        "message": last_line(job["message"] or ""),
        "started": f"{_when(job)}, {_took(job)}",
        "mlflow run": told.get("mlflow_run_id"),
        "command": job["entrypoint"],
    }
    for key, value in rows.items():
        if value:
            print(f"{key:12}{value}", file=text_stream(as_json))
    if as_json:
        print(json.dumps(facts(job)))


def logs(
    name: JobId,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Until the job ends; the exit code is then the job's.")
    ] = False,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Print the log of a job."""
    client = _connected(address)[0]
    job = client.job(name)
    if follow:
        end_with(follow_job(client, name, as_json), {}, as_json)
    print(client.logs(name), end="", file=text_stream(as_json))
    if as_json:
        print(json.dumps(facts(job)))


def stop(
    name: JobId,
    now: Annotated[bool, typer.Option("--now", help="End it at once, without a checkpoint.")] = False,
    address: Address = None,
    as_json: AsJson = False,
) -> None:
    """Stop a job: it saves a checkpoint and closes its run first. Given again, ends it at once."""
    from dist_bp.submit.client import ENDED
    from dist_bp.submit.stop import last_words, stop_job

    client, session = _connected(address)
    if (job := client.job(name))["status"] in ENDED:
        say(f"job {name} has ended already")
    try:
        job = stop_job(client, session, name, now, say)
    except KeyboardInterrupt:
        say(f"job {name} goes on stopping; {on_jobs('stop', name)} again ends it at once")
        raise
    words = last_words(client, name)
    print(f"{job['status']}: {words}", file=text_stream(as_json))
    if as_json:
        print(json.dumps(facts(job) | {"last_line": words}))


def follow_job(client: "JobsClient", name: str, as_json: bool) -> "RayJob":
    """Writes the log of a job until it has ended; Ctrl-C leaves the job alone and the command."""
    from dist_bp.submit.follow import follow

    out = text_stream(as_json)

    def write(text: str) -> None:
        out.write(text)
        out.flush()

    try:
        return follow(client, name, write)
    except KeyboardInterrupt:
        say(
            f"detached, job {name} goes on: {on_jobs('logs', name, '-f')} comes back to it, "
            f"{on_jobs('stop', name)} stops it"
        )
        raise


def end_with(job: "RayJob", more: dict[str, Any], as_json: bool) -> None:
    """Tells how a job ended and ends the command with its code: 0 SUCCEEDED, 1 FAILED, 130 STOPPED."""
    name = job["submission_id"]
    say(f"job {name} {job['status']} after {_took(job)}")
    if as_json:
        print(json.dumps(facts(job) | more))
    raise typer.Exit(EXIT_CODES.get(job["status"], 1))


def facts(job: "RayJob") -> dict[str, Any]:
    """What `--json` tells of a job; times in milliseconds since 1970, as Ray gives them."""
    told = job["metadata"] or {}
    return {key: job.get(key) for key in FACTS} | {"mlflow_run_id": told.get("mlflow_run_id")}


def on_jobs(*words: str) -> str:
    """A command on jobs, quoted, for the cluster of this one."""
    return command("jobs", *words, *option("--address"))


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _connected(address: str | None) -> "tuple[JobsClient, str]":
    """The cluster's client, and the name of its session."""
    from dist_bp.submit.address import find_dashboard
    from dist_bp.submit.client import JobsClient

    client = JobsClient(find_dashboard(address))
    return client, client.connect()


def _when(job: "RayJob") -> str:
    return f"{datetime.fromtimestamp((job['start_time'] or 0) / 1000):%Y-%m-%d %H:%M:%S}"


def _took(job: "RayJob") -> str:
    if not job["end_time"]:
        return "running" if job["status"] == "RUNNING" else "waiting"
    return f"{(job['end_time'] - (job['start_time'] or job['end_time'])) / 1000:.0f} s"
