"""`train`: the main command, and what people see of it."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from dist_bp.cli.options import AsJson, ConfigPath, Overrides, Quiet, text_stream
from dist_bp.imports import importing

if TYPE_CHECKING:
    from dist_bp.config import JobConfig


def train(
    config: ConfigPath,
    overrides: Overrides = None,
    resume: Annotated[
        str | None,
        typer.Option(
            metavar="auto|RUN|PATH",
            help="Go on from a checkpoint: the newest of this job, of a run, or this one.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check data, shapes, memory and capacity; start nothing.")
    ] = False,
    trace: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what every process did at each step, to open in ui.perfetto.dev."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Train the network of a configuration."""
    with importing():
        from dist_bp.cli.display import print_result, watch
        from dist_bp.config import load_config

    job_config = load_config(config, overrides or ())
    out = text_stream(as_json)
    if dry_run:
        _check(job_config, resume, None if quiet else out)
        return

    from dist_bp.runtime.ray_job import announced
    from dist_bp.submit.head import offer_head
    from dist_bp.train.job import run_job

    offer_head(job_config.ray.address)
    with watch(job_config.name, quiet, sys.stderr) as observer:
        result = run_job(job_config, resume, observer, trace, run_id=announced())
    if not quiet:
        print_result(result, out, [config, *(overrides or ())], job_config)
    if as_json:
        print(json.dumps(result.as_dict()))


def _check(config: "JobConfig", resume: str | None, out: TextIO | None) -> None:
    """All that can be checked without starting anything; the plan goes to `out`."""
    from dist_bp.cli.display import print_plan, watch
    from dist_bp.runtime.cluster import cluster_address
    from dist_bp.train.checks import check_job, idle_settings
    from dist_bp.train.setup import prepare_job
    from dist_bp.train.start import find_checkpoint

    with watch(config.name, out is None, sys.stderr) as observer:
        job = prepare_job(config, observer)
    check_job(job)
    find_checkpoint(job, resume)
    if out:
        print_plan(job, out)
        if cluster_address(config.ray.address) == "local":
            for line in idle_settings(config, 1):
                print(f"warning: {line}", file=sys.stderr)
