"""What a sweep tells the tracker: the parent run, and once it is over its ranking, figures and best model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from dist_bp.checkpoint import export_model, load, open_store
from dist_bp.config import JobConfig
from dist_bp.errors import DataError, TrainingFailed
from dist_bp.messages import without_password
from dist_bp.runtime.warden import Warden
from dist_bp.sweep import table
from dist_bp.sweep.describe import BEST_CONFIG, REPORT, describe_begin, describe_result
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.result import SweepResult
from dist_bp.sweep.study import Study
from dist_bp.sweep.trial import Trial, best, ranked
from dist_bp.track.port import DESCRIPTION, SWEEP, Tracker
from dist_bp.train.observer import Observer
from dist_bp.train.publish import Page, open_tracked, registration_of
from dist_bp.train.setup import PreparedJob
from dist_bp.types import Direction

PARALLEL_FIGURE = "figures/parallel_coordinates.png"
IMPORTANCES_FIGURE = "figures/importances.png"
OF_ALL_TRIALS = ("name", "seed", "checkpoint.directory")


def open_parent(job: SweepJob, name: str, run_id: str | None, warden: Warden, begin: Callable[[], None]) -> Tracker:
    """Opens the parent run of all trials; `run_id` is that of an earlier process."""
    tracking = job.config.tracking.model_copy(update={"run_name": job.config.tracking.run_name or name})
    named = job.config.model_copy(update={"tracking": tracking})
    page = Page(describe_begin(job, name), {SWEEP: name}, _of_all_trials)
    return open_tracked(named, page, run_id, warden, begin)


def _of_all_trials(key: str, value: object) -> bool:
    """Whether a setting tells of the sweep: most of the others are a template, and the trials' own runs have them."""
    return (
        key in OF_ALL_TRIALS
        or key.startswith(("sweep.", "data.source."))
        or (key.endswith(".type") and ":" in str(value))
    )


def close_children(tracker: Tracker, trials: Iterable[Trial]) -> None:
    """Gives the runs the status that the sweep knows: those that were cut off or failed could not do so themselves."""
    for trial in trials:
        if trial.status == "failed":
            tracker.close_child(trial.run_id, "FAILED")
        elif trial.status == "stopped":  # an earlier process may have died while it was paused
            tracker.close_child(trial.run_id, "FINISHED")
        elif not trial.over:
            tracker.close_child(trial.run_id, "KILLED")


def publish(
    prepared: PreparedJob, job: SweepJob, folder: Path, study: Study, tracker: Tracker, observer: Observer
) -> SweepResult:
    """Logs the ranking, the figures, the best configuration and the best model."""
    name = folder.name
    order, ran = ranked(study.trials, job.mode), study.ran
    winner = best(order, job.mode)
    if winner is None:
        raise TrainingFailed(f"no trial has a {job.metric}: {'; '.join(trial.cause for trial in order if trial.cause)}")
    _log_table(tracker, job, name, order)
    found = study.search.importances(order)
    if not found:
        observer.note("there are too few finished trials to tell how important the parameters are")
    drawn = _log_figures(tracker, job, order, found)
    _log_report(tracker, job, folder, order, found)
    tracker.log_tags({DESCRIPTION: describe_result(job, name, order, drawn, tracker.run_id or "")})
    chosen = job.trial(winner.values)
    path = folder / BEST_CONFIG
    path.write_text(job.written(chosen), encoding="utf-8")
    tracker.log_text(BEST_CONFIG, path.read_text(encoding="utf-8"))
    _log_scores(tracker, study.trials, job.mode)
    model = Path(job.config.checkpoint.directory).absolute() / winner.run_id / "model"
    return SweepResult(
        name=name,
        run_id=tracker.run_id or "",
        status="FINISHED",
        metric=job.metric,
        mode=job.mode,
        trials=order,
        epochs=sum(trial.epochs for trial in order),
        ran=len(ran),
        seconds=study.seconds,
        training_seconds=sum(trial.seconds for trial in ran),
        folder=str(folder),
        best_config=str(path),
        best_model=str(model),
        model_uri=_log_model(prepared, chosen, model, winner, tracker, observer),
        run_url=tracker.run_url,
        tracking_uri=without_password(job.config.tracking.tracking_uri),
    )


def _log_scores(tracker: Tracker, trials: Sequence[Trial], mode: Direction) -> None:
    """Scores by the trials' numbers, and the best up to each: the last of those is the sweep's."""
    for count, trial in enumerate(trials, start=1):
        values = {"sweep/trial_score": trial.score, "sweep/epochs": trial.epochs}
        if found := best(trials[:count], mode):
            values["sweep/score"] = found.score
        tracker.log(trial.number, {name: value for name, value in values.items() if value is not None})


def _log_table(tracker: Tracker, job: SweepJob, name: str, order: Sequence[Trial]) -> None:
    names, content = table.columns(job.metric, job.keys), table.rows(order, job.metric, job.keys)
    tracker.log_text("trials.csv", table.as_csv(content, names))
    tracker.log_text("trials.html", table.as_html(content, names, f"Sweep {name}"))


def _log_figures(
    tracker: Tracker, job: SweepJob, order: Sequence[Trial], importances: Mapping[str, float]
) -> dict[str, str]:
    """Draws what there is to be drawn; returns where it is, by title."""
    from dist_bp.sweep import figures

    drawn = figures.parallel_coordinates(order, job.sweep.spaces, job.metric, job.mode)
    tracker.log_figure(PARALLEL_FIGURE, drawn)
    if not importances:
        return {"Trials in parallel coordinates": PARALLEL_FIGURE}
    tracker.log_figure(IMPORTANCES_FIGURE, figures.importances(importances))
    return {"Trials in parallel coordinates": PARALLEL_FIGURE, "Importance of the parameters": IMPORTANCES_FIGURE}


def _log_report(
    tracker: Tracker, job: SweepJob, folder: Path, order: Sequence[Trial], importances: Mapping[str, float]
) -> None:
    from dist_bp.sweep import interactive

    path = folder / REPORT
    content = interactive.report(f"Sweep {folder.name}", order, job.sweep.spaces, job.metric, job.mode, importances)
    path.write_text(content, encoding="utf-8")
    tracker.log_artifact(path)


def _log_model(
    prepared: PreparedJob, chosen: JobConfig, model: Path, winner: Trial, tracker: Tracker, observer: Observer
) -> str | None:
    """The best trial's model, in the parent run as well."""
    if not chosen.tracking.log_model:
        return None
    from dist_bp.serve.package import Packager

    if not model.is_dir() and (found := open_store(model.parent).best()):
        export_model(model, found.checkpoint)
    metrics = load(model, for_resuming=False).metrics  # of a trial that was given up, the best epoch's
    with TemporaryDirectory() as scratch:
        try:
            package = Packager(chosen, prepared.prepared, Path(scratch)).package(model)
            named = replace(package, tags={SWEEP: winner.run_id, "dist_bp.epochs": str(winner.epochs)})
            uri = tracker.log_model(named, winner.number, metrics)
        except DataError as error:
            observer.warn(f"the model is in {model} but not in MLflow, which needs rows of the data: {error}")
            return None
    if uri and (registration := registration_of(chosen, metrics)):
        tracker.register_model(uri, registration)
    return uri
