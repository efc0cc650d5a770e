"""Runs whose driver was killed: nobody else closes them in the store."""

from mlflow import MlflowClient
from mlflow.entities import Run

from dist_bp.track.driver import DRIVER, is_gone
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.port import COMMAND, DESCRIPTION, PARENT, SWEEP

KILLED = "\n\n**Ended:** its driver was killed. `{command}` goes on from the last checkpoint."


def close_abandoned(tracking_uri: str, run_id: str, driver: str) -> None:
    """Set a run to FAILED that is still running though `driver`, its process, is dead, and so its nested runs.

    One that another process has resumed meanwhile is left alone.
    """
    with opened_store(tracking_uri) as client:
        run = client.get_run(run_id)
        resumed = _driven_by(run) not in (None, driver)
        if not resumed:
            _close(client, run)
        nested = f"tags.`{PARENT}` = '{run_id}' AND attributes.status = 'RUNNING'"
        for child in client.search_runs([run.info.experiment_id], nested, max_results=10_000):
            of_child = _driven_by(child)
            if not resumed if of_child is None else of_child == driver or is_gone(of_child):
                _close(client, child)


def _close(client: MlflowClient, run: Run) -> None:
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
