"""Runs whose driver was killed: nobody else closes them in the store."""

from collections.abc import Callable

from mlflow import MlflowClient
from mlflow.entities import Run

from dist_bp.track.driver import DRIVER, is_gone
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.names import EPOCH
from dist_bp.track.port import COMMAND, DESCRIPTION, PARENT, SWEEP

ENDED = "**Ended:** its driver was killed."
KILLED = f"\n\n{ENDED} `{{command}}` goes on from the last checkpoint."
RECENT = 20
"""So many runs are looked at for such that were killed at their start."""


def close_abandoned(tracking_uri: str, run_id: str, driver: str) -> None:
    """Set a run to FAILED that is still running though `driver`, its process, is dead, and so its nested runs.

    One that another process has resumed meanwhile is left alone.
    """
    with opened_store(tracking_uri) as client:
        run = client.get_run(run_id)
        resumed = _driven_by(run) not in (None, driver)
        if not resumed:
            close(client, run)
        nested = f"tags.`{PARENT}` = '{run_id}' AND attributes.status = 'RUNNING'"
        for child in client.search_runs([run.info.experiment_id], nested, max_results=10_000):
            of_child = _driven_by(child)
            if not resumed if of_child is None else of_child == driver or is_gone(of_child):
                close(client, child)


def delete_empty(client: MlflowClient, experiment_id: str, job: str, may: Callable[[str], bool]) -> None:
    """Delete this job's runs that were killed before an epoch was over.

    Asks `may` whether a run of this id can go.
    """
    order = ["attributes.start_time DESC"]
    for run in client.search_runs(
        [experiment_id], "attributes.status != 'FINISHED'", max_results=RECENT, order_by=order
    ):
        tags, driver = run.data.tags, _driven_by(run)
        killed = run.info.status in ("RUNNING", "KILLED") or ENDED in tags.get(DESCRIPTION, "")
        told = any(name.startswith(EPOCH) for name in run.data.metrics)
        other = PARENT in tags or SWEEP in tags or run.data.params.get("name", job) != job
        if killed and driver and is_gone(driver) and not told and not other and may(run.info.run_id):
            client.delete_run(run.info.run_id)


def close(client: MlflowClient, run: Run) -> None:
    """Set a run to FAILED that is still running, and say how to go on with it."""
    run_id = run.info.run_id
    if run.info.status != "RUNNING":
        return
    client.set_terminated(run_id, "FAILED")
    if _driven_by(client.get_run(run_id)) != _driven_by(run):  # resumed in this moment
        client.update_run(run_id, "RUNNING")
    else:
        text = run.data.tags.get(DESCRIPTION, "")
        client.set_tag(run_id, DESCRIPTION, text + KILLED.format(command=_goes_on(client, run)))


def _goes_on(client: MlflowClient, run: Run) -> str:
    """The command that goes on with a run, or with the sweep that it is, or belongs to."""
    parent = run.data.tags.get(PARENT)
    tags = (client.get_run(parent) if parent else run).data.tags
    sweep = tags.get(SWEEP)
    typed = tags.get(COMMAND, "sweep sweep.yaml" if sweep else "train config.yaml")
    return f"dist-bp {typed} --resume {sweep or run.info.run_id}"


def _driven_by(run: Run) -> str | None:
    driver: str | None = run.data.tags.get(DRIVER)
    return driver
