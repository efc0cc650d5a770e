"""Ray Tune's side of a sweep: it starts and stops the trials that the study proposes."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from dist_bp.checkpoint import CHECKPOINTS, open_store
from dist_bp.config import JobConfig
from dist_bp.errors import CheckpointError
from dist_bp.runtime.lean_ray import replaced
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.study import Study
from dist_bp.sweep.trial import Trial

TUNE = "tune"
SWITCHES = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # the journal is what a sweep goes on from
    "TUNE_WARN_THRESHOLD_S": "60",
}


def run_trials(job: SweepJob, study: Study, folder: Path, own_ray: bool) -> None:
    """Runs all that the study has to propose, several trials at a time as CPUs allow.

    `job` is what trials vary; `folder` is for Tune's files. Ray must be connected; `own_ray` says whether this process
    has started it, and so given it its environment.
    """
    os.environ.update(SWITCHES)
    from ray import tune
    from ray.tune.schedulers import PopulationBasedTraining

    from dist_bp.sweep.callbacks import EarlyEnd, Proposals, StudyCallback
    from dist_bp.sweep.schedule import make_scheduler
    from dist_bp.sweep.trainable import TrainingTrial

    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # trials, failures and results are told by the study
    trainable = tune.with_parameters(TrainingTrial, job=job, folder=Path.cwd())

    def arguments(trial: Trial) -> dict[str, Any]:
        return {
            "values": trial.values,
            "run_id": trial.run_id,
            "resume": newest_checkpoint(job.config, trial, study.outside.warn),
        }

    scheduler = make_scheduler(job, study)
    if isinstance(scheduler, PopulationBasedTraining):  # which takes no searcher
        population = [arguments(trial) for trial in study.population()]
        source: dict[str, Any] = {"num_samples": 1}
        space = {"trial": tune.grid_search(population)}
    else:
        source = {"num_samples": -1, "search_alg": Proposals(study, arguments)}
        space = {}
    tuner = tune.Tuner(
        tune.with_resources(trainable, lambda config: _bundles(job.trial(config["trial"]["values"]))),
        param_space=space,
        tune_config=tune.TuneConfig(
            **source,
            scheduler=scheduler,
            reuse_actors=True,
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name=TUNE,
            storage_path=str(folder),
            stop=EarlyEnd(study),
            callbacks=[StudyCallback(study, job.metric)],
            verbose=0,
        ),
    )
    try:
        with (
            _plain_actors() if own_ray else nullcontext(),
            redirect_stdout(StringIO()),
        ):  # Tune tells of some ends, whatever its verbosity
            tuner.fit()
    finally:
        shutil.rmtree(folder / TUNE, ignore_errors=True)


@contextmanager
def _plain_actors() -> Iterator[None]:
    """Trials have no environment but that of Ray's processes meanwhile: so those that Ray has started ahead serve them,
    and their servers and workers, which inherit it."""
    from ray.tune.execution import class_cache

    with replaced(class_cache, {"DEFAULT_ENV_VARS": {}, "ENV_VARS_TO_PROPAGATE": ()}):
        yield


def _name(trial: Any) -> str:
    """The id of the trial's MLflow run."""
    name: str = trial.config["trial"]["run_id"]
    return name


def _bundles(trial: JobConfig) -> Any:
    """What a trial reserves, all or nothing: nothing for itself and the CPUs of its workers."""
    from ray import tune

    workers, cpus = trial.scaling.num_workers, trial.scaling.cpus_per_worker
    bundles: list[Mapping[str, int]] = [{"CPU": 0}, *[{"CPU": cpus}] * workers] if workers else [{"CPU": cpus}]
    return tune.PlacementGroupFactory(bundles)


def newest_checkpoint(job: JobConfig, trial: Trial, warn: Callable[[str], None]) -> str | None:
    """The newest checkpoint of a trial that was cut off; None where it has no intact one, and so begins anew."""
    folder = Path(job.checkpoint.directory) / trial.run_id / CHECKPOINTS
    try:
        found = open_store(folder).latest() if folder.is_dir() else None
    except CheckpointError as error:
        warn(f"trial {trial.number} begins anew: {error}")
        return None
    for line in found.passed_over if found else ():
        warn(f"trial {trial.number}: {line}")
    return str(found.path) if found else None
