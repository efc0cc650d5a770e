"""Runs in the store: begun under a name, described, gone on with."""

import random
import re
import shlex
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext, suppress

from mlflow import MlflowClient
from mlflow.entities import Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, MAX_PARAM_VAL_LENGTH, MAX_TAG_VAL_LENGTH

from dist_bp.errors import TrackingError
from dist_bp.messages import without_password
from dist_bp.track.driver import DRIVER, identity
from dist_bp.track.names import RECOVERY
from dist_bp.track.port import TrackingSettings
from dist_bp.track.spool import Spool
from dist_bp.track.store import is_sqlite, locked, sqlite_path
from dist_bp.typed import program

PAGE = 20
"""So many runs are asked for at a time."""
TRIES = 20
PAUSE_SECONDS = 0.3
"""At most; by chance, as those who take the same name at the same time would take the same next one, too."""


def begin(client: MlflowClient, experiment: str, settings: TrackingSettings) -> Run:
    """A new run; those that begin in the experiment at the same time get different numbers."""
    folder = settings.spool_folder
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "naming a run") if folder.is_dir() else nullcontext():
        taken = settings.names_taken()
        name = settings.run_name or free_name(client, experiment, settings.job, taken)
        run = client.create_run(experiment, tags={DRIVER: identity()}, run_name=name)
        if settings.run_name is None:
            _share_no_name(client, run, lambda: free_name(client, experiment, settings.job, taken))
    return run


def _share_no_name(client: MlflowClient, run: Run, other: Callable[[], str]) -> None:
    """Renames the run while another has its name.

    A folder's lock keeps nobody out who works in another one. Who has taken a name looks whether somebody else has it:
    of two, at least the one who looks last sees the other.
    """
    for _ in range(TRIES):
        name = run.info.run_name
        same = client.search_runs([run.info.experiment_id], f"attributes.run_name = '{name}'", max_results=2)
        if all(one.info.run_id == run.info.run_id for one in same):
            return
        time.sleep(random.uniform(0, PAUSE_SECONDS))
        client.update_run(run.info.run_id, name=other())
        run = client.get_run(run.info.run_id)


def free_name(client: MlflowClient, experiment: str, base: str, taken: Collection[str]) -> str:
    """`base`, or with the next number behind it where the experiment has such a run, or `taken` such a name."""
    pattern = re.compile(rf"{re.escape(base)}(?:-(\d{{1,9}}))?")

    def numbers(names: Iterable[str | None]) -> list[int]:
        return [int(found[1] or 1) for name in names if (found := pattern.fullmatch(name or ""))]

    highest = numbers(taken)
    page: str | None = ""
    while page is not None:  # the newest of the name has the highest number, and others may begin like it
        newest = client.search_runs(
            [experiment],
            f"attributes.run_name LIKE '{base}%'",
            max_results=PAGE,
            order_by=["attributes.start_time DESC"],
            page_token=page,
        )
        found = numbers(run.info.run_name for run in newest)
        highest += found
        page = None if found else newest.token
    return f"{base}-{max(highest) + 1}" if highest else base


def experiment_id(client: MlflowClient, name: str, location: str | None = None) -> str:
    """The id of the experiment, created where it does not exist; `location` is where a new one keeps its files."""
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        if location is None and is_sqlite(client.tracking_uri):
            location = (sqlite_path(client.tracking_uri).parent / "mlartifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:  # another process was faster
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = client.get_experiment_by_name(name)
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"tracking.experiment: {name!r} was deleted: choose another name, or restore it with "
            + _mlflow(client, "experiments", "restore", "--experiment-id", experiment.experiment_id)
        )
    return str(experiment.experiment_id)


def _mlflow(client: MlflowClient, *words: str) -> str:
    """A command line of MLflow on this store, quoted."""
    store = shlex.quote(without_password(client.tracking_uri))
    return f"`MLFLOW_TRACKING_URI={store} {program('mlflow')} {shlex.join(words)}`"


def reopen(client: MlflowClient, run_id: str) -> Run:
    """The run, running again and driven by this process; raises TrackingError where the store does not have it."""
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise TrackingError(
                f"tracking: {without_password(client.tracking_uri)} has no run {run_id}: "
                "set tracking.tracking_uri to where it was recorded"
            ) from error
        raise
    if run.info.lifecycle_stage != "active":
        raise TrackingError(
            f"tracking: the run {run_id} was deleted: restore it with "
            + _mlflow(client, "runs", "restore", "--run-id", run_id)
        )
    client.set_tag(run_id, DRIVER, identity())  # first, so that nobody closes the run for its former driver
    client.update_run(run_id, "RUNNING")
    return run


def describe(
    client: MlflowClient, run: Run, params: Mapping[str, str], config_text: str, tags: Mapping[str, str]
) -> None:
    """Record parameters, of a run that has some the new ones, tags and the configuration."""
    entities = [
        Param(param_name(name), value[:MAX_PARAM_VAL_LENGTH])
        for name, value in params.items()
        if param_name(name) not in run.data.params
    ]
    client.log_batch(run.info.run_id, params=entities, tags=tags_of(tags))
    client.log_text(run.info.run_id, config_text, "config.yaml")


def param_name(name: str) -> str:
    """The name with the characters that MLflow does not allow replaced."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:MAX_ENTITY_KEY_LENGTH]


def tags_of(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value[:MAX_TAG_VAL_LENGTH]) for name, value in tags.items()]


def last_steps(run: Run, spool: Spool) -> dict[str, int]:
    """The last step of each metric that the run or its spool holds, but of those that may have a step several times."""
    last = {metric.key: int(metric.step) for metric in run.data._metric_objs}
    for point in spool:
        last[point.name] = max(point.step, last.get(point.name, -1))
    return {name: step for name, step in last.items() if not name.startswith(RECOVERY)}
