"""Runs whose driver was killed are closed, and nobody else's."""

import os
import subprocess
import sys

from mlflow import MlflowClient

from dist_bp.track.driver import DRIVER, identity, is_gone
from dist_bp.track.mlflow_abandoned import close_abandoned
from dist_bp.track.port import COMMAND, DESCRIPTION, PARENT, SWEEP
from tests.track.conftest import Open

DEAD = f"{identity().rpartition(':')[0]}:1"
"""A process that had this one's id before it."""


def test_a_driver_is_known_by_its_start() -> None:
    assert is_gone(DEAD)
    assert not is_gone(identity())
    assert not is_gone("elsewhere:1:1")


def test_a_run_of_a_dead_driver_fails_and_says_how_to_go_on(start: Open, client: MlflowClient, uri: str) -> None:
    tracker = start(tags={DRIVER: DEAD, DESCRIPTION: "digits"})
    command = [sys.executable, "-m", "dist_bp.track.abandon", str(tracker.run_id), DEAD]
    subprocess.run(command, check=True, timeout=60, env={**os.environ, "MLFLOW_TRACKING_URI": uri})
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FAILED"
    description = run.data.tags[DESCRIPTION]
    assert description.startswith("digits")
    assert f"--resume {tracker.run_id}" in description


def test_a_sweep_and_its_trials_go_on_by_its_name(start: Open, client: MlflowClient, uri: str) -> None:
    parent = start(tags={DRIVER: DEAD, SWEEP: "wide", COMMAND: "sweep job.yaml 'sweep.mode=max'"})
    trial = start(tags={DRIVER: DEAD, PARENT: str(parent.run_id)})
    close_abandoned(uri, str(parent.run_id), DEAD)
    for tracker in (parent, trial):
        said = client.get_run(tracker.run_id).data.tags[DESCRIPTION]
        assert "`dist-bp sweep job.yaml 'sweep.mode=max' --resume wide`" in said


def test_a_run_that_was_resumed_meanwhile_is_left_alone(start: Open, client: MlflowClient, uri: str) -> None:
    first = start(tags={DRIVER: DEAD})
    first.finish("FAILED")
    again = start(resume=first.run_id)
    close_abandoned(uri, str(first.run_id), DEAD)
    assert client.get_run(again.run_id).info.status == "RUNNING"


def test_a_finished_run_stays_finished(start: Open, client: MlflowClient, uri: str) -> None:
    tracker = start()
    tracker.finish("FINISHED")
    close_abandoned(uri, str(tracker.run_id), identity())
    run = client.get_run(tracker.run_id)
    assert run.info.status == "FINISHED"
    assert DESCRIPTION not in run.data.tags


def test_nested_runs_end_with_their_parent_unless_somebody_drives_them(
    start: Open, client: MlflowClient, uri: str
) -> None:
    parent = start(tags={DRIVER: DEAD})
    nested = {
        driver: str(start(tags={PARENT: str(parent.run_id), DRIVER: driver}).run_id)
        for driver in (DEAD, f"{DEAD}1", identity(), "elsewhere:1:1")
    }
    untold = client.create_run(client.get_run(parent.run_id).info.experiment_id, tags={PARENT: str(parent.run_id)})
    close_abandoned(uri, str(parent.run_id), DEAD)
    status = {driver: client.get_run(run_id).info.status for driver, run_id in nested.items()}
    assert status == {DEAD: "FAILED", f"{DEAD}1": "FAILED", identity(): "RUNNING", "elsewhere:1:1": "RUNNING"}
    assert client.get_run(untold.info.run_id).info.status == "FAILED"
