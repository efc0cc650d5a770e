"""`sweep`: many trials of a job, and what people see of them."""

import json
import sys
from typing import Annotated

import typer

from dist_bp.cli.options import AsJson, ConfigPath, Overrides, Quiet, text_stream


def sweep(
    config: ConfigPath,
    overrides: Overrides = None,
    resume: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on with this sweep; with more samples, extend it.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="Name of a new sweep; default: job and time.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Try many values of some settings, as the configuration's sweep section says."""
    from dist_bp.cli.sweep_display import print_sweep, watch_sweep
    from dist_bp.config import load_config
    from dist_bp.submit.head import offer_head
    from dist_bp.sweep.checks import check_sweep
    from dist_bp.sweep.job import SweepJob
    from dist_bp.sweep.run import run_sweep

    job = SweepJob.of(load_config(config, overrides or ()))
    offer_head(job.config.ray.address)
    search = check_sweep(job)
    with watch_sweep(job, search.total, quiet, sys.stderr) as (watcher, observer):
        result = run_sweep(job, resume, name, watcher, observer)
    if not quiet:
        print_sweep(result, job, text_stream(as_json), [config, *(overrides or ())])
    if as_json:
        print(json.dumps(result.as_dict()))
