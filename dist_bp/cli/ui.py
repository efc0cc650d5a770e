"""`ui`: MLflow's pages of the runs."""

import sys
import time
from typing import Annotated

import typer

from dist_bp.cli.options import Overrides


def ui(
    config: Annotated[
        str | None, typer.Argument(metavar="[CONFIG]", help="A job: its store; without one sqlite:///mlflow.db.")
    ] = None,
    overrides: Overrides = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Where on this machine the pages are served.")] = 5000,
) -> None:
    """Serve MLflow's user interface on the store of a configuration, until Ctrl-C."""
    from dist_bp.config import load_config
    from dist_bp.config.run import TrackingConfig
    from dist_bp.errors import DistBpError
    from dist_bp.track.server import HOST, experiment_page, serving
    from dist_bp.track.store import check_exists, check_store, is_server, resolve_uri
    from dist_bp.train.interrupt import Interrupt

    job = load_config(config, overrides or (), own_code=False) if config else None
    tracking = job.tracking if job else TrackingConfig()
    experiment = (tracking.experiment or job.name) if job else None
    check_exists(tracking.tracking_uri, "name the CONFIG of the job whose store it is")
    uri = resolve_uri(tracking.tracking_uri)
    check_store(uri)
    if is_server(uri):
        print(f"served already: {experiment_page(uri.rstrip('/'), experiment)}")
        return
    with Interrupt() as interrupt, serving(uri, port, lambda: bool(interrupt.requested)) as server:
        if server:
            print(f"runs: {experiment_page(f'http://{HOST}:{port}', experiment)}", flush=True)
            print("Ctrl-C ends it", file=sys.stderr, flush=True)
        while server and not interrupt.requested:
            if server.poll() is not None:
                raise DistBpError("the MLflow server ended by itself")
            time.sleep(0.1)
