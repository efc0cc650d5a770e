"""What a run tells the tracker about itself, before and after training: data, figures, description, model."""

import hashlib
import math
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from dist_bp.checkpoint import Checkpoint, export_model, run_names
from dist_bp.config import JobConfig, flatten, monitor_mode, render
from dist_bp.errors import DataError
from dist_bp.imports import importing
from dist_bp.messages import without_password
from dist_bp.metrics.best_threshold import THRESHOLD
from dist_bp.ps.lease import Evaluation
from dist_bp.runtime.ray_job import job_tags, retyped
from dist_bp.runtime.warden import Warden
from dist_bp.track.drawing import Drawing, Picture
from dist_bp.track.driver import identity
from dist_bp.track.port import COMMAND, DESCRIPTION, ModelPackage, Registration, Tracker, TrackingSettings
from dist_bp.track.waiting import JOURNAL, SPOOLS
from dist_bp.train.baseline import remark
from dist_bp.train.describe import CONFUSION_FIGURE, LOSS_FIGURE, Report, describe_begin, describe_result
from dist_bp.train.gallery import gallery_of
from dist_bp.train.meter import scores
from dist_bp.train.models import CheckpointModels
from dist_bp.train.observer import Observer
from dist_bp.train.outcome import Outcome
from dist_bp.train.result import Result
from dist_bp.train.state import RunState
from dist_bp.train.text_gallery import text_gallery
from dist_bp.train.view import runs_view
from dist_bp.types import Array


def open_run(
    state: RunState, warden: Warden, forget: Callable[[str], bool] | None, begin: Callable[[], None]
) -> Tracker:
    """Opens the MLflow run, a new one unless the state has one, and tells it what the job is; see
    `TrackingSettings`."""
    job, config = state.job, state.job.config
    page = Page(describe_begin(state), state.course.tags())
    tracker = open_tracked(config, page, state.run_id or None, warden, begin, forget)
    schema = job.prepared.schema
    tracker.log_dataset(
        config.name,
        digest=job.prepared.source_digest,
        source=str(getattr(config.data.source, "path", None) or config.data.source.type),
        schema={name: "double" for name in schema.feature_names} if schema.feature_names else {"inputs": "double"},
        context="training",
    )
    return tracker


@dataclass(frozen=True)
class Page:
    """What a run says of itself from its beginning.

    `shown` says of a dotted key of the configuration and its value whether it is one of the parameters.
    """

    description: str
    tags: Mapping[str, str]
    shown: Callable[[str, object], bool] = lambda key, value: True


def open_tracked(
    config: JobConfig,
    page: Page,
    run_id: str | None,
    warden: Warden,
    begin: Callable[[], None],
    forget: Callable[[str], bool] | None = None,
) -> Tracker:
    """Opens a run as the configuration says, with its settings as parameters; the warden closes it after a kill."""
    with importing():
        from dist_bp.track.mlflow_open import open_tracker

    settings = config.tracking
    tracker = open_tracker(
        TrackingSettings(
            tracking_uri=settings.tracking_uri,
            experiment=settings.experiment or config.name,
            spool_folder=SPOOLS,
            journal=Path(config.checkpoint.directory) / JOURNAL,
            run_name=settings.run_name,
            job=config.name,
            names_taken=partial(run_names, Path(config.checkpoint.directory)),
            begin=begin,
            forget=forget,
            artifact_location=settings.artifact_location,
            system_metrics=settings.system_metrics,
            view=runs_view(config),
        ),
        params={key: without_password(str(value)) for key, value in flatten(config).items() if page.shown(key, value)},
        config_text=render(config, passwords=False),
        tags={**settings.tags, **job_tags(), **_command_tag(), **page.tags, DESCRIPTION: page.description},
        resume_run_id=run_id,
    )
    if tracker.run_id:
        close = [sys.executable, "-m", "dist_bp.track.abandon", tracker.run_id, identity()]
        warden.run(close, {"MLFLOW_TRACKING_URI": settings.tracking_uri})
    return tracker


def _command_tag() -> dict[str, str]:
    """What whoever closes the run after a kill tells people to type."""
    return {COMMAND: shlex.join(words)} if (words := retyped()) else {}


def evaluate(measure: Callable[[str], Evaluation], outcome: Outcome) -> Report:
    """Training and validation metrics of the epoch that the parameters come from, and those that `measure` has on the
    test split."""
    job, metrics = outcome.state.job, outcome.state.kept
    arrays: dict[str, Array] = {}
    if measured := job.measured:
        prefix = "test" if measured == "test" else "val"
        numbers, arrays = scores(measure(measured), job.metrics, metrics.get(f"val_{THRESHOLD}"))
        metrics |= {f"{prefix}_{name}": value for name, value in numbers.items()}
    return Report(metrics, arrays, remark(job, metrics))


def publish(
    tracker: Tracker,
    models: CheckpointModels | None,
    outcome: Outcome,
    report: Report,
    drawing: Drawing,
    observer: Observer,
) -> Result:
    """Logs figures, description and the model; returns the result of the run."""
    state, job = outcome.state, outcome.state.job
    tested = {name: value for name, value in report.metrics.items() if name.startswith("test_")}
    tracker.log(outcome.snapshot.step, tested)
    threshold = report.metrics.get(f"val_{THRESHOLD}")
    checkpoint = job.checkpoint(outcome.snapshot, threshold=threshold, run_id=state.run_id, metrics=report.metrics)
    pictures = pictures_of(outcome, report) | gallery_of(job, checkpoint)
    drawn = drawing.begin(pictures)
    told = text_gallery(job, checkpoint)
    tracker.log_tags({DESCRIPTION: describe_result(outcome, report, pictures, told)})
    folder = export_model(state.folder / "model", checkpoint)
    digest = hashlib.sha256(outcome.snapshot.parameters.tobytes()).hexdigest()
    uri = None
    try:
        if models:
            package = replace(models.packager.package(folder), tags={"dist_bp.parameters_sha256": digest})
            uri = _log_model(tracker, package, checkpoint, job.config)
    except DataError as error:
        observer.warn(f"the model is in {folder} but not in MLflow, which needs rows of the data: {error}")
    for name in pictures:
        tracker.log_image(name, partial(drawn.image, name))
    return Result(
        run_id=state.run_id,
        status="FINISHED",
        reason=outcome.reason,
        epochs=state.epoch,
        steps=state.step,
        best_step=outcome.best_step,
        seconds=state.seconds,
        samples_per_second=state.samples / state.seconds if state.seconds else 0.0,
        metrics=report.metrics,
        remark=report.remark,
        checkpoint=str(outcome.checkpoint),
        model=str(folder),
        model_uri=uri,
        num_workers=job.config.scaling.num_workers,
        parameters=job.model.layout.size,
        parameters_sha256=digest,
        run_url=tracker.run_url,
        tracking_uri=without_password(job.config.tracking.tracking_uri),
        recoveries=tuple(state.recoveries),
    )


def _log_model(tracker: Tracker, package: ModelPackage, checkpoint: Checkpoint, config: JobConfig) -> str | None:
    """The model's URI; None where it could not be recorded."""
    uri = tracker.log_model(package, checkpoint.step, checkpoint.metrics)
    if uri and (registration := registration_of(config, checkpoint.metrics)):
        tracker.register_model(uri, registration)
    return uri


def registration_of(config: JobConfig, metrics: Mapping[str, float]) -> Registration | None:
    """Of what a model with these metrics becomes a version, and by which value it is compared with the others."""
    settings, name = config.checkpoint, config.tracking.registered_model
    value = metrics.get(settings.monitor, math.nan)
    mode = monitor_mode(settings.monitor, settings.mode)
    return Registration(name, settings.monitor, value, mode) if name else None


def pictures_of(outcome: Outcome, report: Report) -> dict[str, Picture]:
    """What is drawn of a run, by the name of the artifact."""
    job, history = outcome.state.job, outcome.state.history
    best = next((row for row in history if row["step"] == outcome.best_step), None)
    curves = {
        "train": [row["train_loss"] for row in history],
        "validation": [row["val_loss"] for row in history if "val_loss" in row],
        "best_epoch": int(best["epoch"]) if best else None,
        "per": job.loss_per,
    }
    pictures = {LOSS_FIGURE: Picture("loss_curves", curves)}
    if "confusion_matrix" in report.arrays:
        classes = [str(name) for name in job.prepared.schema.classes or ()]
        matrix = {"counts": report.arrays["confusion_matrix"].tolist(), "classes": classes}
        pictures[CONFUSION_FIGURE] = Picture("confusion_matrix", matrix)
    return pictures
