"""One sweep from configuration to result: parent run, trials, ranking, best model."""

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from dist_bp.errors import Interrupted, TrainingFailed
from dist_bp.messages import plural
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.decoding import crew_of
from dist_bp.runtime.ray_job import again, announce
from dist_bp.runtime.warden import Warden
from dist_bp.sweep.checks import check_capacity, check_networks, check_sweep, enough
from dist_bp.sweep.describe import describe_end
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.journal import Journal, sweep_folder
from dist_bp.sweep.new_runs import NewRuns
from dist_bp.sweep.progress import BestSoFar
from dist_bp.sweep.report import close_children, open_parent, publish
from dist_bp.sweep.result import SweepResult
from dist_bp.sweep.resume import CONFIG, read_record, sweep_name
from dist_bp.sweep.study import Outside, Study, SweepState, Watcher
from dist_bp.sweep.trial import Trial
from dist_bp.sweep.tuning import run_trials
from dist_bp.track.port import Tracker
from dist_bp.train.checks import check_job, object_store_bytes
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.job import only_writer, tell_store
from dist_bp.train.observer import Observer
from dist_bp.train.recording import tracked_run
from dist_bp.train.setup import PreparedJob, prepare_job


def run_sweep(
    job: SweepJob,
    resume: str | None = None,
    name: str | None = None,
    watcher: Watcher = lambda trials: None,
    observer: Observer | None = None,
) -> SweepResult:
    """Runs all trials and returns their ranking; `resume` is the name of a sweep to go on with.

    Raises UserError before anything has started, TrainingFailed when too many trials failed, Interrupted after
    Ctrl-C or SIGTERM; in each case all runs are closed and no process is left.
    """
    observer = observer or Observer()
    name = sweep_name(job, resume, name)
    folder = sweep_folder(job.config, name)
    search = check_sweep(job)
    recorded = partial(read_record, job, folder, search.total, resume is not None)
    recorded()
    tell_store(job.config, observer)
    job, prepared = _prepare(job, observer)
    with only_writer(folder), Interrupt() as interrupt, Warden() as warden, warden.temporary_files():
        record = recorded()  # again: an earlier process may have been ending
        parent = record.parent if record else None
        with tracked_run(
            partial(open_parent, job, name, parent, warden),
            job.config.tracking.tracking_uri,
            observer,
            interrupt,
            partial(describe_end, job, name),
        ) as get_tracker:
            observer.phase("starting Ray")
            with ExitStack() as after_ray:
                object_store = object_store_bytes(prepared) * job.concurrent
                patient = job.config.ray.start_seconds
                with closing(Cluster(job.config.ray.address, object_store, warden, patient)) as cluster:
                    check_capacity(job, cluster.nodes)
                    interrupt.arm()
                    interrupt.check()
                    cluster.settled()  # what trials start belongs to Ray's processes, which the warden knows
                    tracker = get_tracker()
                    announce(tracker.run_id or "", folder)
                    observer.run(tracker.run_id or "", tracker.run_url)
                    journal = begin_journal(job, folder, tracker.run_id or "")
                    outside = _outside(tracker, job, watcher, observer, interrupt)
                    settings, trials = job.sweep, record.trials if record else []
                    study = Study(search, journal, outside, settings.max_concurrent, settings.max_failures, trials)
                    after_ray.callback(lambda: close_children(tracker, study.ran))
                    observer.phase("starting the processes of the first trials")
                    started = time.monotonic()
                    _run(job.absolute(name), study, folder, cluster)
            study.seconds = time.monotonic() - started
            _raise_early_end(study, name)
            observer.phase("publishing")
            return publish(prepared, job, folder, study, tracker, observer)


def _prepare(job: SweepJob, observer: Observer) -> tuple[SweepJob, PreparedJob]:
    """The sweep with what its data says of it, and the job that its trials vary. Raises UserError."""
    observer.phase("preparing the data")
    prepared = prepare_job(job.base, observer, crew_of(job.base))
    for line in check_job(prepared):
        observer.note(line)
    check_networks(job, prepared)
    job = replace(job, enough=enough(job, prepared))
    if job.grace_period:
        observer.note(f"no trial is given up before epoch {job.grace_period}")
    return job, prepared


def _import_what_ends_it() -> None:
    """Imports what the report needs, which takes seconds, while trials run."""
    import optuna.importance  # noqa: F401

    import dist_bp.serve.package
    import dist_bp.sweep.figures
    import dist_bp.sweep.interactive  # noqa: F401


def begin_journal(job: SweepJob, folder: Path, run_id: str) -> Journal:
    """Keeps what the sweep is to be gone on with: its configuration, and the run that it is recorded in."""
    journal, written = Journal(folder), job.written(job.config)
    (folder / CONFIG).write_text(written, encoding="utf-8")
    journal.open(written, run_id)
    return journal


def _outside(tracker: Tracker, job: SweepJob, watcher: Watcher, observer: Observer, interrupt: Interrupt) -> Outside:
    """Everybody whom the study asks and tells."""
    best_so_far = BestSoFar(tracker, job.mode)
    imports = threading.Thread(target=_import_what_ends_it, daemon=True)

    def watch(trials: Sequence[Trial]) -> None:
        if imports.ident is None and any(trial.epochs for trial in trials):  # not while the first processes start
            imports.start()
        best_so_far(trials)
        watcher(trials)

    return Outside(
        new_run=NewRuns(lambda number: tracker.open_child(f"trial {number}"), observer.warn),
        watcher=watch,
        warn=observer.warn,
        interrupted=lambda: interrupt.requested is not None,
    )


def _run(job: SweepJob, study: Study, folder: Path, cluster: Cluster) -> None:
    """Runs the trials that are left. Raises Interrupted for whatever Ray makes of a second signal."""
    if study.state is not SweepState.RUNNING:
        return
    try:
        cluster.call("trials ran", lambda: run_trials(job, study, folder, cluster.own), None)
    except Exception as error:
        if study.outside.interrupted():
            raise _interrupted(folder.name) from error
        if isinstance(error, RayLost):
            raise RayLost(f"{error}. The sweep is kept; go on with {again(folder.name)}") from error
        raise


def _interrupted(name: str) -> Interrupted:
    return Interrupted(f"interrupted: the sweep is kept; go on with {again(name)}")


def _raise_early_end(study: Study, name: str) -> None:
    match study.state:
        case SweepState.INTERRUPTED:
            raise _interrupted(name)
        case SweepState.BROKEN if study.error:
            raise study.error
        case SweepState.FAILED:
            bound = "that is all"
            if len(study.failed) > study.max_failures:
                more = again(name, f"sweep.max_failures={len(study.failed) + study.max_failures + 1}")
                bound = f"sweep.max_failures is {study.max_failures}; {more} bears more"
            causes = "; ".join(f"trial {trial.number}: {trial.cause}" for trial in study.failed[-3:])
            raise TrainingFailed(f"{plural(len(study.failed), 'trial')} failed, {bound}: {causes}")
