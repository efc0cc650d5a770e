"""The beginning of a run in MLflow, or of another part of one: what it is, and what earlier runs have left."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from dist_bp.messages import without_password
from dist_bp.track.driver import identity
from dist_bp.track.mlflow_abandoned import delete_empty
from dist_bp.track.mlflow_run import begin, describe, experiment_id, reopen
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.mlflow_tracker import MlflowTracker
from dist_bp.track.origin import origin_tags
from dist_bp.track.port import PARENT, Tracker, TrackingSettings
from dist_bp.track.view import TAG
from dist_bp.track.waiting import Waiting, read_waiting, taken, waiting_runs


def open_tracker(
    settings: TrackingSettings,
    params: Mapping[str, str],
    config_text: str,
    tags: Mapping[str, str],
    resume_run_id: str | None = None,
) -> Tracker:
    """Start a run, or go on with `resume_run_id`, and return its tracker.

    Args:
        params: the flattened configuration; of a resumed run only the new ones are recorded.
        config_text: the YAML, kept as the artifact `config.yaml`.
        tags: further tags, `mlflow.note.content` is the description, `mlflow.parentRunId` the parent run.

    Raises:
        TrackingError: the store cannot be used, or has no such run or experiment.
    """
    with ExitStack() as opened, ExitStack() as held:
        client = opened.enter_context(opened_store(settings.tracking_uri))
        settings.begin()
        folder = settings.journal or settings.spool_folder
        if resume_run_id is None:
            experiment = experiment_id(client, settings.experiment, settings.artifact_location)
            if settings.forget:
                delete_empty(client, experiment, settings.job, settings.forget)
            run = begin(client, experiment, settings)
        else:
            if known := read_waiting(settings.spool_folder, resume_run_id):
                folder = known.folder
            held.enter_context(taken(folder, resume_run_id))
            run = reopen(client, resume_run_id)
        try:
            described = {**origin_tags(), **tags}
            describe(client, run, params, config_text, described)
            run = client.get_run(run.info.run_id)
            if settings.view and PARENT not in run.data.tags:
                client.set_experiment_tag(run.info.experiment_id, TAG, settings.view.tag())
        except Exception:
            client.set_terminated(run.info.run_id, "FAILED")
            raise
        waiting = _waiting(client, run, settings, folder, described, config_text)
        left = [*waiting_runs(settings.spool_folder, settings.tracking_uri)]
        tracker = MlflowTracker(client, run, settings, waiting, opened.pop_all().close)
        for other in left:
            if other.run_id != waiting.run_id:
                tracker.deliver(other)
        return tracker


def _waiting(
    client: MlflowClient,
    run: Run,
    settings: TrackingSettings,
    folder: Path,
    described: Mapping[str, str],
    config_text: str,
) -> Waiting:
    """What waits for the store from now on: of a run that goes on first what an earlier process has left, of which its
    points, tags and texts alone still count."""
    waiting = Waiting(
        folder=folder,
        listed=settings.spool_folder,
        run_id=run.info.run_id,
        store=without_password(client.tracking_uri),
        experiment=settings.experiment,
        name=run.info.run_name,
        driver=identity(),
        params=dict(run.data.params),
        all_tags=dict(described),
        config_text=config_text,
    )
    if before := read_waiting(waiting.folder, waiting.run_id):
        waiting.tags = {name: value for name, value in before.tags.items() if name not in described}
        waiting.texts = before.texts
    return waiting
