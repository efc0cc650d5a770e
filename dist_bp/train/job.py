"""One training job from configuration to result: data, processes, tracking, training, model."""

import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dist_bp.checkpoint import CHECKPOINTS, CheckpointStore, name_run
from dist_bp.config import JobConfig
from dist_bp.config.metrics import monitor_mode
from dist_bp.config.run import STORE_VARIABLE
from dist_bp.errors import CheckpointError
from dist_bp.messages import without_password
from dist_bp.processes import patience
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.decoding import crew_of
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.ray_job import again, announce
from dist_bp.runtime.warden import Warden
from dist_bp.track.drawing import Drawing
from dist_bp.track.port import Tracker
from dist_bp.train.beginning import bring_up
from dist_bp.train.checks import check_job, idle_settings, object_store_bytes
from dist_bp.train.describe import describe_end
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.listeners import listeners
from dist_bp.train.models import CheckpointModels
from dist_bp.train.observer import Observer
from dist_bp.train.publish import evaluate, open_run, publish
from dist_bp.train.recording import tracked_run
from dist_bp.train.recoveries import record_before_training
from dist_bp.train.result import Result
from dist_bp.train.saving import Saver
from dist_bp.train.setup import PreparedJob, prepare_job
from dist_bp.train.start import Start, find_start
from dist_bp.train.state import RunState
from dist_bp.train.steering import Steering, Unsteered
from dist_bp.train.trace import TraceFile
from dist_bp.train.trainer import Trainer

RELEASE_SECONDS = 60.0
"""In which a trial that was paused lets go of its run, for the process that goes on with it."""


@dataclass(frozen=True)
class Lent:
    """What a sweep lends to the job of a trial: what steers it, processes of earlier jobs to use again, which gets
    those of this one, and what draws for several jobs."""

    steering: Steering | None = None
    pool: Pool | None = None
    drawing: Drawing | None = None


NOTHING = Lent()


def run_job(
    config: JobConfig,
    resume: str | None = None,
    observer: Observer | None = None,
    trace: Path | None = None,
    run_id: str | None = None,
    lent: Lent = NOTHING,
) -> Result:
    """Trains to the end and returns the result; `trace` is a file for a Chrome trace of every step.

    `resume` is "auto" (the newest run of this name, or a new one), a run id or a path of a checkpoint. `run_id` is an
    MLflow run to record in: without it that of the checkpoint, or a new one. Raises UserError before anything has
    started, TrainingFailed when the run cannot go on, Interrupted after Ctrl-C or SIGTERM; in each case the MLflow run
    is closed and no process is left.
    """
    observer = observer or Observer()
    observer.phase("preparing the data")
    trial = lent.steering is not None
    crew = None if trial else crew_of(config)  # a trial has but its part of the cluster, and finds its data prepared
    job = prepare_job(config.model_copy(update={"sweep": None}), observer, crew)
    notes = check_job(job)
    tell_store(config, observer)
    for line in (*notes, *job.notes):
        observer.note(line)
    start = find_start(job, resume, run_id, observer)
    wait_seconds = patience(RELEASE_SECONDS) if trial else 0.0
    alone = only_writer(start.state.folder, wait_seconds) if start.state.run_id else nullcontext()
    with TraceFile(trace) if trace else nullcontext() as file, alone:
        return _run(start, observer, file, lent)


def tell_store(config: JobConfig, observer: Observer) -> None:
    """Where the run is recorded, if the configuration does not say so."""
    if config.tracking.from_environment:
        observer.note(f"{STORE_VARIABLE} says where to record: {without_password(config.tracking.tracking_uri)}")


def _run(start: Start, observer: Observer, trace: TraceFile | None, lent: Lent) -> Result:
    state, job = start.state, start.state.job
    steering, new = lent.steering or Unsteered(), not state.run_id
    with (
        steering.interrupt as interrupt,
        Warden() as warden,
        warden.temporary_files(),
        ExitStack() as held,
        tracked_run(
            partial(open_run, state, warden, start.forget),
            job.config.tracking.tracking_uri,
            observer,
            interrupt,
            partial(describe_end, state),
            partial(record_before_training, state, len(state.recoveries)),
        ) as get_tracker,
    ):
        observer.phase("starting the processes")
        with open_runtime(job, warden, lent.pool) as runtime:
            _bring_up(runtime, start, interrupt, observer)
            drawing = lent.drawing or held.enter_context(closing(Drawing()))
            drawing.start()
            interrupt.check()
            tracker = get_tracker()
            state.run_id = tracker.run_id or ""
            if new:
                held.enter_context(only_writer(state.folder))
            _tell_run(tracker, state, observer)
            store = store_of(state)
            models = CheckpointModels(store, job.config, job.prepared) if job.config.tracking.log_model else None
            if models:
                held.callback(models.close)
            # of a trial nothing: it goes on with its sweep, and would leave that by itself
            remedy = "" if lent.steering else f"go on with {again(tracker.run_id or 'auto')}"
            saver = Saver(store, tracker, models, remedy, start.newest)
            trainer = Trainer(state, runtime, saver, steering, listeners(state, runtime, tracker, observer, trace))
            with trainer.telling_how_to_go_on():
                outcome = trainer.run()
                observer.phase("evaluating")
                report = trainer.lasting(partial(evaluate, trainer.evaluate, outcome))
        if job.config.scaling.num_workers:  # threads of this process share all of it with what records
            steering.released()
        if trouble := runtime.trouble:
            observer.warn(f"{trouble}; the run had all it needs")
        observer.phase("logging the model")
        return publish(tracker, models, outcome, report, drawing, observer)


def _bring_up(runtime: Runtime, start: Start, interrupt: Interrupt, observer: Observer) -> None:
    """Starts the processes with the version that the run begins with, unless a signal has come."""
    job = start.state.job
    for line in idle_settings(job.config, runtime.plan.nodes):
        observer.warn(line)
    interrupt.arm()
    bring_up(start.state, runtime, start.snapshot or job.initial, observer, interrupt)


def _tell_run(tracker: Tracker, state: RunState, observer: Observer) -> None:
    """Where the run is recorded, for those who watch it and for those who submitted it."""
    if not tracker.run_id:
        return
    announce(tracker.run_id, state.folder)
    if tracker.told_until > state.step and state.course.turned_at(state.step):
        steps = f"steps {state.step + 1} to {tracker.told_until}"
        observer.note(f"MLflow has values of {steps} from before that change, and keeps them: it takes none back")
    if before := name_run(state.folder.parent, tracker.run_id, tracker.run_name or ""):
        observer.note(f"{tracker.run_name} is the name of this run from now on, not of {before}")
    observer.run(tracker.run_id, tracker.run_url)


def store_of(state: RunState) -> CheckpointStore:
    """The checkpoints of a run."""
    settings = state.job.config.checkpoint
    return CheckpointStore(state.folder / CHECKPOINTS, settings.keep, monitor_mode(settings.monitor, settings.mode))


def open_runtime(job: PreparedJob, warden: Warden, pool: Pool | None = None) -> Runtime:
    """The runtime of the configuration: Ray actors, or threads where it asks for no worker process."""
    plan = RunPlan(job.config, job.prepared.directory.resolve(), job.total_steps, secrets.token_bytes(32))
    if job.config.scaling.num_workers == 0:
        from dist_bp.runtime.threads import ThreadRuntime

        return ThreadRuntime(plan, job.metrics)
    from dist_bp.runtime.cluster import Cluster
    from dist_bp.runtime.ray_runtime import RayRuntime

    ray = job.config.ray
    cluster = Cluster(ray.address, object_store_bytes(job), warden, ray.start_seconds)
    try:
        return RayRuntime(plan, job.metrics, cluster, pool)
    except BaseException:
        cluster.close()
        raise


@contextmanager
def only_writer(folder: Path, wait_seconds: float = 0.0) -> Iterator[None]:
    """Holds the folder of a run; raises CheckpointError where another process trains that run, and goes on to do so
    for `wait_seconds` seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + wait_seconds
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                taken = f"the run in {folder} is being trained by another process"
                raise CheckpointError(f"{taken}: wait for it, or stop it")
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
