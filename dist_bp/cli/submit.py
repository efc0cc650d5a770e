"""`submit`: a training job on a Ray cluster."""

import json
from pathlib import Path
from typing import Annotated

import typer

from dist_bp.cli.jobs import Address, end_with, facts, follow_job, on_jobs, say
from dist_bp.cli.options import AsJson, ConfigPath, Overrides

Env = Annotated[
    list[str] | None, typer.Option("--env", metavar="KEY=VALUE", help="Environment variable of the job; repeatable.")
]
RuntimeEnv = Annotated[
    Path | None,
    typer.Option(
        "--runtime-env", metavar="FILE", help="Ray runtime environment in YAML: pip, py_modules, env_vars, ..."
    ),
]


def submit(
    config: ConfigPath,
    overrides: Overrides = None,
    address: Address = None,
    sweep: Annotated[bool, typer.Option("--sweep", help="Run `dist-bp sweep` instead of `dist-bp train`.")] = False,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Return once the job is submitted.")] = False,
    retries: Annotated[
        int, typer.Option(min=0, metavar="N", help="Times that a driver which dies goes on from its last checkpoint.")
    ] = 0,
    resume: Annotated[
        str | None,
        typer.Option(metavar="auto|RUN|PATH|NAME", help="Go on, as in `dist-bp train` or `sweep`."),
    ] = None,
    submission_id: Annotated[str | None, typer.Option(metavar="ID", help="The job's id; default: a new one.")] = None,
    env: Env = None,
    runtime_env: RuntimeEnv = None,
    entrypoint_num_cpus: Annotated[float | None, typer.Option(min=0, help="CPUs of the driver itself.")] = None,
    entrypoint_num_gpus: Annotated[float | None, typer.Option(min=0, help="GPUs of the driver itself.")] = None,
    entrypoint_memory: Annotated[int | None, typer.Option(min=0, help="Bytes of memory of the driver itself.")] = None,
    entrypoint_resources: Annotated[
        str | None, typer.Option(metavar="JSON", help='Custom resources of the driver itself: {"disk": 1}.')
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a training job or a sweep on a Ray cluster, through its Jobs API; follow its log."""
    from dist_bp.submit.request import Options
    from dist_bp.submit.submission import submit_job

    options = Options(
        sweep,
        retries,
        resume,
        submission_id,
        tuple(env or ()),
        runtime_env,
        entrypoint_num_cpus,
        entrypoint_num_gpus,
        entrypoint_memory,
        entrypoint_resources,
    )
    client, name, upload = submit_job(Path(config), overrides or (), options, address, say)
    say(f"job {name} at {client.dashboard.address}")
    sent = {"address": client.dashboard.address, "files": len(upload.files), "bytes": upload.nbytes}
    if no_wait:
        say(f"{on_jobs('logs', name, '-f')} follows it")
        if as_json:
            print(json.dumps(facts(client.job(name)) | sent))
        return
    end_with(follow_job(client, name, as_json), sent, as_json)
