"""One sweep from configuration to result: parent run, trials, ranking, best model."""

import time
from collections.abc import Iterable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from dist_bp.config import JobConfig, render
from dist_bp.config.candidates import Finding, check_spaces, with_values
from dist_bp.config.job import file_name
from dist_bp.errors import CapacityError, ConfigError, Interrupted, TrainingFailed, UserError
from dist_bp.runtime.cluster import Cluster, cluster_address, local_cpus, this_machine
from dist_bp.runtime.placement import Node, place
from dist_bp.runtime.ray_job import again, announce, job_tags
from dist_bp.runtime.warden import Warden
from dist_bp.sweep.describe import describe_end
from dist_bp.sweep.journal import JOURNAL, Journal, Record, sweep_folder
from dist_bp.sweep.report import close_children, open_parent, publish
from dist_bp.sweep.result import SweepResult
from dist_bp.sweep.search import Search
from dist_bp.sweep.study import Study, Watcher
from dist_bp.sweep.tuning import run_trials
from dist_bp.track.origin import program
from dist_bp.track.port import SOURCE, SWEEP, Tracker
from dist_bp.track.store import resolve_uri
from dist_bp.train.checks import check_job, object_store_bytes
from dist_bp.train.interrupt import Interrupt
from dist_bp.train.job import only_writer, tracked_run
from dist_bp.train.observer import Observer
from dist_bp.train.setup import prepare_job

CONFIG = "sweep.yaml"
FREE = ("num_samples", "max_concurrent", "max_failures")
"""Settings of a sweep that may be others when it is resumed."""


def run_sweep(
    config: JobConfig,
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
    name = _name(config, resume, name)
    folder = sweep_folder(config, name)
    search = check_sweep(config)
    _record(config, folder, search, resume)
    observer.phase("preparing the data")
    job = prepare_job(config.model_copy(update={"sweep": None}))
    check_job(job)
    _refuse(check_spaces(config, _misfits))
    with only_writer(folder), Interrupt() as interrupt, Warden() as warden:
        record = _record(config, folder, search, resume)  # again: an earlier process may have been ending
        parent = record.parent if record else None
        with tracked_run(
            lambda: open_parent(config, name, parent, warden), observer, partial(describe_end, config, name)
        ) as get_tracker:
            observer.phase("starting Ray")
            study: Study | None = None
            cluster = Cluster(config.ray.address, object_store_bytes(job) * concurrent(config), warden)
            try:
                check_capacity(config, cluster.nodes)
                interrupt.arm()
                interrupt.check()
                cluster.settled()  # what trials start belongs to Ray's processes, which the warden knows
                tracker = get_tracker()
                announce(tracker.run_id or "", folder)
                observer.run(tracker.run_id or "", tracker.run_url)
                study = _study(config, search, folder, tracker, watcher, observer, record, interrupt)
                before = {trial.number for trial in study.trials if trial.over}
                started = time.monotonic()
                observer.phase("running trials")
                if not (study.all_given or study.ended_early):
                    run_trials(absolute(config, name), study, folder)
            except Exception:
                if study is None or not study.interrupted():  # Ray wraps what a second signal raises
                    raise
            finally:
                cluster.close()
                if study:
                    ran = [trial for trial in study.trials if trial.number not in before]
                    close_children(tracker, ran)
            assert study is not None
            _raise_early_end(study, name)
            observer.phase("publishing")
            seconds = time.monotonic() - started
            return publish(job, config, name, folder, study.trials, ran, search, tracker, observer, seconds)


def check_sweep(config: JobConfig) -> Search:
    """The search of the configuration. Raises ConfigError or UserError where it cannot work."""
    if config.sweep is None:
        raise ConfigError("the configuration has no sweep section: say what to vary in sweep.parameters")
    _refuse(check_spaces(config))
    if cluster_address(config.ray.address) == "local":
        check_capacity(config, [this_machine()])
    search = Search(config.sweep, config.seed, partial(_wrong, config))
    search.propose(0, [])  # do the conditions admit anything?
    return search


def _name(config: JobConfig, resume: str | None, name: str | None) -> str:
    """What the sweep is called. Raises UserError for what cannot be the name of a folder."""
    given = [(option, text) for option, text in (("--resume", resume), ("--name", name)) if text is not None]
    if len(given) == 2:
        raise UserError("--name is for a new sweep: give --resume NAME alone")
    for option, text in given:
        try:
            return file_name(text)
        except ValueError as error:
            raise UserError(f"{option}: {error}") from error
    return f"{config.name}-{time.strftime('%Y%m%d-%H%M%S')}"


def _refuse(findings: Iterable[Finding]) -> None:
    if found := [f"sweep.parameters.{key}: {message}" for key, message in findings]:
        raise ConfigError(found)


def _misfits(config: JobConfig, values: Mapping[str, Any]) -> list[str]:
    """What is wrong with a trial once its data and network are known."""
    try:
        job = prepare_job(with_values(config, values))
    except UserError as error:
        return error.problems
    if config.sweep and config.sweep.scheduler_options.type == "pbt":
        base = prepare_job(config.model_copy(update={"sweep": None}))
        if job.layout.optimizer != base.layout.optimizer:
            return ["pbt copies the optimizer's state, which has other parts with this value"]
    return []


def _wrong(config: JobConfig, values: dict[str, Any]) -> str | None:
    try:
        with_values(config, values)
    except ConfigError as error:
        return error.problems[0]
    return None


def check_capacity(config: JobConfig, nodes: list[Node]) -> None:
    """Raises CapacityError where a trial may ask for more than there is."""
    assert config.sweep is not None
    varied = {key: space.probes() for key, space in config.sweep.parameters.items() if key.startswith("scaling")}
    for values in product(*varied.values()):
        given = dict(zip(varied, values, strict=True))
        try:
            scaling = with_values(config, given).scaling
        except ConfigError:  # depends on other values
            continue
        try:
            place(max(scaling.num_workers, 1), scaling.cpus_per_worker, nodes)
        except CapacityError as error:
            trial = (
                f"a trial with {', '.join(f'{key}={value}' for key, value in given.items())}" if given else "a trial"
            )
            raise CapacityError(f"{trial} cannot run: {error}") from None


def concurrent(config: JobConfig) -> int:
    """Trials that may run at a time on this machine."""
    assert config.sweep is not None
    return config.sweep.max_concurrent or local_cpus()


def absolute(config: JobConfig, name: str) -> JobConfig:
    """The configuration that trials vary: what they write is found from any folder, and each run is one of many."""
    folder = str(Path(config.checkpoint.directory).absolute())
    tracking = config.tracking.model_copy(
        update={
            "tracking_uri": resolve_uri(config.tracking.tracking_uri),
            "experiment": config.tracking.experiment or config.name,
            "log_model": False,
            "registered_model": None,
            "tags": {SOURCE: program(), **config.tracking.tags, **job_tags(), SWEEP: name},
            "system_metrics": False,
        }
    )
    checkpoint = config.checkpoint.model_copy(update={"directory": folder})
    ray = config.ray.model_copy(update={"address": cluster_address(config.ray.address)})
    return config.model_copy(update={"tracking": tracking, "checkpoint": checkpoint, "ray": ray})


def _record(config: JobConfig, folder: Path, search: Search, resume: str | None) -> Record | None:
    """What the sweep to go on with has done. Raises UserError where it is not this one, or a new one is there."""
    if resume is not None:
        return _earlier(config, folder, search)
    if (folder / JOURNAL).exists():
        name = folder.name
        raise UserError(f"there is a sweep {name} already: go on with --resume {name}, or choose another --name")
    return None


def _earlier(config: JobConfig, folder: Path, search: Search) -> Record:
    """What a killed or finished sweep has done. Raises UserError where it is not this one."""
    record = Journal(folder).read()
    try:
        before = JobConfig.model_validate(yaml.safe_load(record.config))
    except ValidationError as error:
        raise ConfigError(
            f"the configuration in {folder / JOURNAL} is not valid any more: begin a new sweep"
        ) from error
    now, then = _course(config), _course(before)
    if keys := [key for key in now if now[key] != then[key]]:
        raise ConfigError(
            f"the sweep {folder.name} was begun with another configuration (differs in {', '.join(keys)}): "
            f"use its own, {folder / CONFIG}, or begin a new sweep"
        )
    if len(record.trials) > search.total:
        raise ConfigError(
            f"sweep.num_samples: the sweep {folder.name} has {len(record.trials)} trials already: give at least as many"
        )
    return record


def _course(config: JobConfig) -> dict[str, object]:
    """What must stay as it is. Files may be called by another path: a job on a cluster calls them by absolute ones."""
    data = config.model_dump(mode="json", exclude={"ray"})
    data["tracking"]["tracking_uri"] = resolve_uri(config.tracking.tracking_uri)
    for section, key in ((data["checkpoint"], "directory"), (data["data"], "prepared")):
        section[key] = str(Path(section[key]).absolute())
    source = data["data"]["source"]
    for key, value in source.items():
        if isinstance(value, str) and Path(value).exists():
            source[key] = str(Path(value).absolute())
    data["sweep"] = {key: value for key, value in (data["sweep"] or {}).items() if key not in FREE}
    return data


def _study(
    config: JobConfig,
    search: Search,
    folder: Path,
    tracker: Tracker,
    watcher: Watcher,
    observer: Observer,
    record: Record | None,
    interrupt: Interrupt,
) -> Study:
    assert config.sweep is not None
    journal = Journal(folder)
    (folder / CONFIG).write_text(render(config), encoding="utf-8")
    journal.open(render(config), tracker.run_id or "")
    trials = record.trials if record else []
    return Study(
        search,
        journal,
        new_run=lambda number: tracker.open_child(f"trial {number}"),
        watcher=watcher,
        warn=observer.warn,
        max_concurrent=config.sweep.max_concurrent,
        max_failures=config.sweep.max_failures,
        interrupted=lambda: interrupt.requested is not None,
        trials=trials,
    )


def _raise_early_end(study: Study, name: str) -> None:
    if study.interrupted():
        raise Interrupted(f"interrupted: the sweep is kept; go on with {again()} and --resume {name}")
    if study.error:
        raise study.error
    failed = [trial for trial in study.trials if trial.status == "failed"]
    if study.ended_early or len(failed) == len(study.trials):
        causes = "; ".join(f"trial {trial.number}: {trial.cause}" for trial in failed[-3:])
        bound = "that is all"
        if study.ended_early:
            bound = f"sweep.max_failures is {study.max_failures}, with more --resume {name} goes on"
        raise TrainingFailed(f"{len(failed)} trials failed, {bound}: {causes}")
