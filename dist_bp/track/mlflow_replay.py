"""Delivers what waits for a store that could not be reached, or for runs that are no longer in it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Run
from mlflow.exceptions import MlflowException

from dist_bp.config.run import STORE_VARIABLE
from dist_bp.errors import DistBpError, TrackingError
from dist_bp.messages import is_masked, one_line, without_password
from dist_bp.track.driver import host_of
from dist_bp.track.mlflow_abandoned import close
from dist_bp.track.mlflow_run import describe, experiment_id, tags_of
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.store import resolve_uri
from dist_bp.track.waiting import Waiting, runs_elsewhere, taken, waiting_runs
from dist_bp.typed import command

BATCH = 1000
REPLACES = "dist_bp.replaces"
"""The tag with the id of the run that was no longer in the store."""


def deliver(client: MlflowClient, waiting: Waiting) -> str | None:
    """Record points, tags, texts and the end of a run; returns a line that says what was delivered, None for nothing.

    A run that the store does not have is made anew; what waits for one that was deleted there is dropped. May be
    repeated after an error: the store keeps equal points once.
    """
    with taken(waiting.folder, waiting.run_id) as now:
        # another process was faster, or goes on with the run
        return _deliver(client, waiting) if now == waiting else None


def _deliver(client: MlflowClient, waiting: Waiting) -> str | None:
    spool = waiting.spool
    count = len(spool)
    if not (count or waiting.tags or waiting.texts or waiting.status):
        waiting.done()
        return None
    found = _run(client, waiting)
    if found is None:
        waiting.done()
        return f"run {waiting.run_id} ({waiting.name}): deleted in MLflow, so {count} metric values are dropped"
    run, replaced = found
    run_id = run.info.run_id
    while batch := spool.peek(BATCH):
        client.log_batch(run_id, metrics=[Metric(*point) for point in batch])
        spool.discard(len(batch))
    client.log_batch(run_id, tags=tags_of(waiting.tags))
    for name, text in waiting.texts.items():
        client.log_text(run_id, text, name)
    if waiting.status:
        client.set_terminated(run_id, waiting.status, waiting.ended)
    elif replaced:
        client.set_terminated(run_id, "FAILED")
    else:
        close(client, run)
    waiting.done()
    where = f", made anew as {run_id} (it is no longer in the store)" if replaced else ""
    return f"run {waiting.run_id} ({waiting.name}): {count} metric values delivered{where}"


def _run(client: MlflowClient, waiting: Waiting) -> tuple[Run, bool] | None:
    """The run, and whether it had to be made anew; None for one that was deleted."""
    try:
        run = client.get_run(waiting.run_id)
        return (run, False) if run.info.lifecycle_stage == "active" else None
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    experiment = experiment_id(client, waiting.experiment)
    known = client.search_runs([experiment], f"tags.`{REPLACES}` = '{waiting.run_id}'", max_results=1)
    if known:
        return known[0], True
    started = min((point.timestamp for point in waiting.spool), default=None)
    run = client.create_run(experiment, started, {REPLACES: waiting.run_id}, waiting.name)
    describe(client, run, waiting.params, waiting.config_text, waiting.all_tags)
    return run, True


def try_to_deliver(client: MlflowClient, waiting: Waiting) -> tuple[str | None, str | None]:
    """What `deliver` returns, and a line that says why it waits on, where it could not be delivered."""
    try:
        return deliver(client, waiting), None
    except (MlflowException, DistBpError, OSError) as error:
        reason = without_password(one_line(error))
        return None, f"what run {waiting.run_id} ({waiting.name}) has left waits on: {reason}"


def deliver_all(folder: Path, tracking_uri: str | None, own: Sequence[str] = ()) -> Iterator[str]:
    """Deliver what waits in `folder` for a store, or for all of them; a line for each run.

    A run that a process of another host had last is delivered where `own` names it, by its id or the beginning of it.
    Raises TrackingError where `own` names none of those, and at the end, with a line for each store that cannot be
    used, or is known without its password alone, and for each run that a store does not take.
    """
    by_store: dict[str, list[Waiting]] = {}
    elsewhere = runs_elsewhere(folder, tracking_uri)
    named = [waiting.run_id for waiting in elsewhere if waiting.run_id.startswith(tuple(own))]
    _check_named(own, named)
    for waiting in waiting_runs(folder, tracking_uri, named):
        by_store.setdefault(tracking_uri or waiting.store, []).append(waiting)
    problems: list[str] = []
    for store, runs in by_store.items():
        try:
            with opened_store(_with_password(store, len(runs))) as client:
                for waiting in runs:
                    line, problem = try_to_deliver(client, waiting)
                    problems += [problem] if problem else []
                    if line:
                        yield line
        except TrackingError as error:
            problems += error.problems
    for waiting in elsewhere:
        if waiting.run_id not in named:
            remedy = f"once that has ended, {command('runs', 'replay', waiting.run_id)} delivers what it has left"
            yield f"run {waiting.run_id} ({waiting.name}): a process on {host_of(waiting.driver)} has it: {remedy}"
    if problems:
        raise TrackingError(problems)


def _check_named(own: Sequence[str], named: Sequence[str]) -> None:
    unknown = [name for name in own if not any(run_id.startswith(name) for run_id in named)]
    if unknown:
        raise TrackingError(
            [f"no run {name} of a process on another host waits here: `runs replay` lists them" for name in unknown]
        )


def _with_password(store: str, number: int) -> str:
    """The URI that so many runs wait for; one without its password is looked for in the environment."""
    if not is_masked(store):
        return store
    given = os.environ.get(STORE_VARIABLE)
    with suppress(TrackingError):
        if given and without_password(resolve_uri(given)) == store:
            return given
    raise TrackingError(
        f"{number} runs wait for {store}: name it, with its password, in {STORE_VARIABLE} or with --tracking-uri"
    )
