"""Reads runs back from an MLflow store."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import LoggedModel, Run, ViewType
from mlflow.exceptions import MlflowException

from dist_bp.errors import TrackingError, UserError
from dist_bp.messages import did_you_mean, first_line
from dist_bp.track.mlflow_replay import try_to_deliver
from dist_bp.track.mlflow_store import opened_store
from dist_bp.track.names import metric_named
from dist_bp.track.port import PARENT
from dist_bp.track.runs import ModelRecord, RunRecord
from dist_bp.track.store import check_exists, run_url
from dist_bp.track.waiting import SPOOLS, waiting_runs

PAGE = 1000
RECENT = 100
"""So many runs tell which metrics there are."""


@dataclass(frozen=True)
class Sort:
    """Order of runs by the last value of a metric; runs without one come last."""

    metric: str
    ascending: bool


@contextmanager
def opened_reader(tracking_uri: str, experiment: str | None, note: Callable[[str], object]) -> "Iterator[RunReader]":
    """A reader of an experiment's runs, or of all runs; raises TrackingError where there is no such store or one.

    Delivers what waits for the store first; `note` is told what of it cannot be delivered.
    """
    check_exists(tracking_uri, "name another with --config or --tracking-uri")
    with opened_store(tracking_uri) as client:
        for waiting in waiting_runs(SPOOLS, tracking_uri):
            _, problem = try_to_deliver(client, waiting)
            if problem:
                note(problem)
        experiments = {found.name: found.experiment_id for found in client.search_experiments()}
        if experiment is None:
            yield RunReader(client, list(experiments.values()))
        elif experiment in experiments:
            yield RunReader(client, [experiments[experiment]])
        else:
            names = ", ".join(sorted(experiments.keys() - {"Default"})) or "none"
            guess = did_you_mean(experiment, experiments)
            raise TrackingError(f"there is no experiment {experiment!r} in the store{guess} (recorded: {names})")


class RunReader:
    """Runs of some experiments, the newest first where no order is asked for. Made by `opened_reader`."""

    def __init__(self, client: MlflowClient, experiment_ids: list[str]) -> None:
        self._client = client
        self._experiment_ids = experiment_ids

    def runs(self, filter_text: str = "", sort: Sort | None = None, limit: int | None = None) -> list[RunRecord]:
        """All runs, or at most `limit`; raises UserError for a wrong filter."""
        order = [f"metrics.`{sort.metric}` {'ASC' if sort.ascending else 'DESC'}"] if sort else None
        return self._search(filter_text, order, limit)

    def with_parents(self, runs: list[RunRecord]) -> list[RunRecord]:
        """The runs, and after them those that they are nested in."""
        known = {run.run_id for run in runs}
        parents = {run.parent_id for run in runs if run.parent_id} - known
        return runs + [self._record(self._client.get_run(parent)) for parent in sorted(parents)]

    def metric_named(self, name: str) -> str:
        """The store's name of a metric; raises UserError where the newest runs have none that is called so."""
        return metric_named(name, {metric for run in self._search("", None, RECENT) for metric in run.metrics})

    def find(self, name: str) -> RunRecord:
        """The run of this id, beginning of an id, or name; raises UserError where there is none or several."""
        quoted = name.replace("'", "")
        found: dict[str, RunRecord] = {}
        for attribute, pattern in (("run_id", f"LIKE '{quoted}%'"), ("run_name", f"= '{quoted}'")):
            found |= {run.run_id: run for run in self._search(f"attributes.{attribute} {pattern}", None, 10)}
        if len(found) == 1:
            return found.popitem()[1]
        if found:
            several = ", ".join(f"{run.short_id} ({run.name})" for run in found.values())
            raise UserError(f"{name!r} is more than one run: {several}: give more of the id")
        recent = self._search("", None, RECENT)
        guess = did_you_mean(name, [*(run.name for run in recent), *(run.short_id for run in recent)])
        newest = ", ".join(f"{run.short_id} ({run.name})" for run in recent[:3]) or "none"
        raise UserError(f"there is no run {name!r}{guess} (the newest: {newest})")

    def history(self, run_id: str, metric: str) -> list[tuple[int, float]]:
        """(step, value) in the order of steps."""
        return sorted((point.step, point.value) for point in self._client.get_metric_history(run_id, metric))

    def artifacts(self, run_id: str) -> list[str]:
        """Paths of all files of a run."""

        def below(folder: str | None) -> Iterator[str]:
            for file in self._client.list_artifacts(run_id, folder):
                if file.is_dir:
                    yield from below(file.path)
                else:
                    yield str(file.path)

        return list(below(None))

    def models(self, filter_text: str) -> dict[str, list[ModelRecord]]:
        """The models that match a filter, by their run."""
        found: dict[str, list[ModelRecord]] = {}
        token = None
        while True:
            page = self._client.search_logged_models(self._experiment_ids, filter_text, page_token=token)
            for model in page:
                found.setdefault(model.source_run_id, []).append(_model_record(model))
            token = page.token
            if not token:
                return found

    def _search(self, filter_text: str, order: list[str] | None, limit: int | None) -> list[RunRecord]:
        found: list[RunRecord] = []
        token = None
        while limit is None or len(found) < limit:
            size = PAGE if limit is None else min(PAGE, limit - len(found))
            try:
                page = self._client.search_runs(
                    self._experiment_ids, filter_text, ViewType.ACTIVE_ONLY, size, order, token
                )
            except MlflowException as error:
                if error.error_code == "INVALID_PARAMETER_VALUE":
                    raise UserError(f"--filter: {first_line(error)}") from error
                raise
            found += [self._record(run) for run in page]
            token = page.token
            if not token:
                break
        return found

    def _record(self, run: Run) -> RunRecord:
        info, tags = run.info, dict(run.data.tags)
        return RunRecord(
            run_id=info.run_id,
            name=info.run_name or "",
            status=info.status,
            started=info.start_time / 1000,
            ended=info.end_time / 1000 if info.end_time else None,
            parent_id=tags.get(PARENT),
            experiment_id=info.experiment_id,
            params=dict(run.data.params),
            metrics=dict(run.data.metrics),
            tags=tags,
            url=run_url(self._client.tracking_uri, info.experiment_id, info.run_id),
        )


def _model_record(model: LoggedModel) -> ModelRecord:
    metrics: list[Any] = model.metrics or []
    return ModelRecord(
        model_id=model.model_id,
        name=model.name,
        uri=model.model_uri,
        status=str(model.status),
        step=max((metric.step for metric in metrics), default=None),
        metrics={metric.key: metric.value for metric in metrics},
    )
