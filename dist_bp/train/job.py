"""One training job from configuration to result: data, processes, tracking, training, model."""

import fcntl
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from dist_bp.checkpoint import CHECKPOINTS, CheckpointStore, Found, forget_empty, is_past, name_run, resolve
from dist_bp.checkpoint.format import CONFIG
from dist_bp.config import JobConfig, stored_config
from dist_bp.config.metrics import monitor_mode
from dist_bp.config.run import STORE_VARIABLE
from dist_bp.errors import CheckpointError
from dist_bp.messages import without_password
from dist_bp.processes import patience
from dist_bp.runtime.base import Runtime
from dist_bp.runtime.decoding import crew_of
from dist_bp.runtime.plan import RunPlan
from dist_bp.runtime.pool import Pool
from dist_bp.runtime.ray_job import announce
from dist_bp.runtime.warden import Warden
from dist_bp.track.drawing import Drawing
from dist_bp.track.waiting import SPOOLS, read_waiting
from dist_bp.train.checks import check_job, idle_on_one_node, object_store_bytes
from dist_bp.train.course import Course
from dist_bp.train.describe import describe_end
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.models import CheckpointModels
from dist_bp.train.observer import Observer
from dist_bp.train.publish import evaluate, open_run, publish
from dist_bp.train.recording import tracked_run
from dist_bp.train.result import Result
from dist_bp.train.setup import PreparedJob, prepare_job
from dist_bp.train.steering import Steering
from dist_bp.train.trace import TraceFile
from dist_bp.train.trainer import Trainer

RELEASE_SECONDS = 60.0
"""In which a trial that was paused lets go of its run, for the process that goes on with it."""


def run_job(
    config: JobConfig,
    resume: str | None = None,
    observer: Observer | None = None,
    trace: Path | None = None,
    steering: Steering | None = None,
    run_id: str | None = None,
    pool: Pool | None = None,
    drawing: Drawing | None = None,
) -> Result:
    """Trains to the end and returns the result; `trace` is a file for a Chrome trace of every step.

    `resume` is "auto" (the newest run of this name, or a new one), a run id or a path of a checkpoint. `run_id` is an
    MLflow run to record in: without it that of the checkpoint, or a new one. `pool` has processes of earlier jobs to
    use again, and gets those of this one; `drawing` draws for several jobs. Raises
    UserError before anything has started, TrainingFailed when the run cannot go on, Interrupted after Ctrl-C or
    SIGTERM; in each case the MLflow run is closed and no process is left.
    """
    observer = observer or Observer()
    observer.phase("preparing the data")
    crew = None if steering else crew_of(config)  # a trial has but its part of the cluster, and finds its data prepared
    job = prepare_job(config.model_copy(update={"sweep": None}), observer, crew)
    notes = check_job(job)
    tell_store(config, observer)
    for line in (*notes, *job.notes):
        observer.note(line)
    found, course = find_checkpoint(job, resume), Course()
    if found:
        run_id, course = _go_on(job, found, run_id, observer)
    with (
        TraceFile(trace) if trace else nullcontext() as trace_file,
        only_writer(run_folder(job, run_id), patience(RELEASE_SECONDS) if steering else 0) if run_id else nullcontext(),
    ):
        forget = None
        if resume == "auto" and not run_id:  # killed starts of this job, which have left nothing to go on from
            forget = partial(_forget, job.config.checkpoint.directory)
        return _run(job, found, course, run_id, observer, trace_file, steering, pool, drawing, forget)


def tell_store(config: JobConfig, observer: Observer) -> None:
    """Where the run is recorded, if the configuration does not say so."""
    if config.tracking.from_environment:
        observer.note(f"{STORE_VARIABLE} says where to record: {without_password(config.tracking.tracking_uri)}")


def _go_on(job: PreparedJob, found: Found, run_id: str | None, observer: Observer) -> tuple[str | None, Course]:
    """The run to record in, None for a new one, and its course; tells what is not as it was."""
    for line in found.passed_over:
        observer.warn(line)
    observer.note(f"going on from {found.path}")
    checkpoint = found.checkpoint
    before = Course.of(checkpoint.loop_state)
    course = before.resumed(checkpoint.step, stored_config(checkpoint.config, found.path / CONFIG), job.config)
    changes = course.changes[len(before.changes) :]
    for change in changes:
        observer.note(f"{change.key} is {change.before} in the checkpoint, {change.now} from here on")
    if run_id or not checkpoint.run_id:
        return run_id, course
    diverges = found.passed_over and not all(change.harmless for change in changes)
    if not diverges and not is_past(found, Path(job.config.checkpoint.directory)):
        return checkpoint.run_id, course
    origin = f"{checkpoint.run_id}, step {checkpoint.step}"
    observer.note(f"that run has gone on from there: a new run begins with its step {checkpoint.step}")
    return None, replace(course, origin=origin)


def _forget(directory: str, run_id: str) -> bool:
    """Removes what is left of a run that began in this folder and left nothing; says whether it did, and is gone.

    Others that share the store may keep the checkpoints of their runs elsewhere.
    """
    known = read_waiting(SPOOLS, run_id)
    begun_here = known is not None and known.params.get("checkpoint.directory") == directory
    return (begun_here or Path(directory, run_id).is_dir()) and forget_empty(Path(directory), run_id)


def _run(
    job: PreparedJob,
    found: Found | None,
    course: Course,
    run_id: str | None,
    observer: Observer,
    trace: TraceFile | None,
    steering: Steering | None,
    pool: Pool | None,
    drawing: Drawing | None,
    forget: Callable[[str], bool] | None,
) -> Result:
    texts: dict[int, str] = {}
    with (
        steering.interrupt if steering else Interrupt() as interrupt,
        Warden() as warden,
        warden.temporary_files(),
        ExitStack() as held,
        tracked_run(
            partial(open_run, job, course, run_id, warden, forget),
            job.config.tracking.tracking_uri,
            observer,
            interrupt,
            partial(describe_end, job, course, texts),
        ) as get_tracker,
    ):
        observer.phase("starting the processes")
        with open_runtime(job, warden, pool) as runtime:
            if runtime.plan.nodes == 1:
                for line in idle_on_one_node(job.config):
                    observer.warn(line)
            interrupt.arm()
            interrupt.check()
            runtime.start(job.initial)
            if drawing is None:
                drawing = Drawing()
                held.callback(drawing.close)
            drawing.start()
            interrupt.check()
            tracker = get_tracker()
            folder = run_folder(job, tracker.run_id or job.config.name)
            if run_id is None:
                held.enter_context(only_writer(folder))
            store = open_store(job, folder)
            models = None
            if job.config.tracking.log_model:
                models = CheckpointModels(store, job.config, job.prepared)
                held.callback(models.close)
            if tracker.run_id:
                announce(tracker.run_id, folder)
                if before := name_run(folder.parent, tracker.run_id, tracker.run_name or ""):
                    observer.note(f"{tracker.run_name} is the name of this run from now on, not of {before}")
                observer.run(tracker.run_id, tracker.run_url)
            trainer = Trainer(job, runtime, tracker, store, models, observer, interrupt, trace, steering, texts)
            if found:
                trainer.restore(found, course)
            with trainer.telling_how_to_go_on():
                outcome = trainer.run()
                observer.phase("evaluating")
                report = evaluate(job, runtime, outcome)
        if steering and job.config.scaling.num_workers:  # threads of this process share all of it with what records
            steering.released()
        if trouble := runtime.trouble:
            observer.warn(f"{trouble}; the run had all it needs")
        observer.phase("logging the model")
        return publish(job, tracker, folder, models, outcome, report, drawing, observer)


def find_checkpoint(job: PreparedJob, resume: str | None) -> Found | None:
    """The checkpoint to go on from; raises CheckpointError where it is damaged or of another job."""
    if resume is None:
        return None
    found = resolve(resume, Path(job.config.checkpoint.directory), job.config.name)
    if found:
        job.snapshots(found.checkpoint)
    return found


def run_folder(job: PreparedJob, run_id: str) -> Path:
    return Path(job.config.checkpoint.directory) / run_id


def open_store(job: PreparedJob, folder: Path) -> CheckpointStore:
    settings = job.config.checkpoint
    return CheckpointStore(folder / CHECKPOINTS, settings.keep, monitor_mode(settings.monitor, settings.mode))


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
