"""A training job from its configuration here to a job on a cluster."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from dist_bp.checkpoint import resolve_folder
from dist_bp.config import JobConfig, load_config
from dist_bp.errors import SubmitError, UserError
from dist_bp.submit.address import find_dashboard
from dist_bp.submit.client import JobsClient
from dist_bp.submit.code import hidden_code
from dist_bp.submit.request import Options, build_request, check_options, send_packages
from dist_bp.submit.travel import kept_here, on_this_machine, shares_files, to_another_machine
from dist_bp.submit.upload import Upload, limit, working_directory
from dist_bp.sweep.journal import Journal, sweep_folder


def submit_job(
    path: Path, overrides: Sequence[str], options: Options, address: str | None, say: Callable[[str], None]
) -> tuple[JobsClient, str, Upload]:
    """Checks all that can be checked here, sends the working directory and starts the job.

    Returns the cluster's client, the submission id and what was sent. Raises ConfigError or SubmitError, a line for
    each thing to mend, before anything is sent.
    """
    # What a runtime environment brings along may not be here.
    config = load_config(path, overrides, own_code=options.runtime_env is None)
    checked, problems = check_options(options)
    if options.sweep and config.sweep is None:
        problems.append(f"--sweep: {path} has no sweep section: say what to vary in sweep.parameters")
    here = Path.cwd()
    if not path.resolve().is_relative_to(here):
        problems.append(f"{path} lies outside of the working directory {here}, which is what is sent: go to its folder")
    if problems:
        raise SubmitError(problems)
    path = path.resolve().relative_to(here)
    client = JobsClient(find_dashboard(address))
    session = client.connect()
    if options.submission_id and client.has_job(options.submission_id):
        raise SubmitError(f"--submission-id {options.submission_id}: there is such a job already: give another id")
    if shares_files(session):
        travel = on_this_machine(config)
        travel.problems += _not_there(config, options)
        if options.resume and Path(options.resume).exists():
            options = replace(options, resume=str(Path(options.resume).absolute()))
    else:
        travel = to_another_machine(config, client.dashboard.address, options.retries)
    if travel.problems:
        raise SubmitError(travel.problems)
    for line in travel.warnings:
        say(f"warning: {line}")
    upload = working_directory(path, [*kept_here(config), *checked.runtime_env.get("excludes", ())])
    if hidden := hidden_code(config, upload):
        raise SubmitError(hidden)
    upload.check(limit())
    say(f"uploading {upload}")
    request = build_request(config.name, path, [*overrides, *travel.overrides], options, checked, client.dashboard)
    return client, client.submit(send_packages(request, upload, client)), upload


def _not_there(config: JobConfig, options: Options) -> list[str]:
    """What is wrong with what the job should go on with, as far as it can be told before it is sent."""
    if options.resume is None:
        return []
    try:
        if options.sweep:
            Journal(sweep_folder(config, options.resume)).read()
        elif options.resume != "auto":
            resolve_folder(options.resume, Path(config.checkpoint.directory))
    except UserError as error:
        return [f"--resume: {problem}" for problem in error.problems]
    return []
