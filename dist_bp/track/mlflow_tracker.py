"""The tracker that records into MLflow; the only file that imports mlflow."""

import json
import queue
import re
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModel, LoggedModelOutput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature, infer_signature
from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor
from mlflow.types.schema import AnyType, ColSpec, Schema
from mlflow.utils.validation import (
    MAX_DATASET_DIGEST_SIZE,
    MAX_ENTITY_KEY_LENGTH,
    MAX_PARAM_VAL_LENGTH,
    MAX_TAG_VAL_LENGTH,
)

from dist_bp.errors import TrackingError
from dist_bp.track.journal import Journal, Point
from dist_bp.track.origin import origin_tags
from dist_bp.track.port import ModelPackage, RunStatus, Tracker, TrackingSettings
from dist_bp.track.sampler import Sampler
from dist_bp.track.store import (
    check_store,
    is_sqlite,
    one_process,
    resolve_uri,
    run_url,
    sqlite_path,
    without_password,
)
from dist_bp.track.writer import BackgroundWriter, Rejected

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")

PATIENCE_SECONDS = 8.0  # with a store that fails
STALL_SECONDS = 60.0  # with a store that hangs
MODEL_SECONDS = 600.0  # for one that is slow: a model can be large
SYSTEM_PREFIX = "system/"

_PERMANENT = {
    "INVALID_PARAMETER_VALUE",
    "RESOURCE_DOES_NOT_EXIST",
    "RESOURCE_ALREADY_EXISTS",
    "INVALID_STATE",
}
_HARMLESS_WARNINGS = (
    "The ``noload`` loader strategy is deprecated",  # SQLAlchemy about MLflow's models
    "Any type hint is inferred as AnyType",  # MLflow about its own classes
    "Operation with range is deprecated",  # pandas about MLflow's check of an example
    "Hint: Inferred schema contains integer column",  # the example's columns are whole numbers on purpose
)


def open_tracker(
    settings: TrackingSettings,
    params: Mapping[str, str],
    config_text: str,
    tags: Mapping[str, str],
    resume_run_id: str | None = None,
) -> Tracker:
    """Start a run, or go on with `resume_run_id`, and return its tracker.

    Args:
        params: the flattened configuration; of a resumed run only the new ones are recorded.
        config_text: the YAML, kept as the artifact `config.yaml`.
        tags: further tags, `mlflow.note.content` is the description, `mlflow.parentRunId` the parent run.

    Raises:
        TrackingError: the store cannot be used, or has no such run or experiment.
    """
    for message in _HARMLESS_WARNINGS:
        warnings.filterwarnings("ignore", message=".*" + re.escape(message))
    uri = resolve_uri(settings.tracking_uri)
    check_store(uri)
    with _store_errors(uri):
        with one_process(uri):
            client = MlflowClient(uri)
            if resume_run_id is None:
                experiment_id = _experiment(client, uri, settings)
        if resume_run_id is None:
            run = client.create_run(experiment_id, run_name=settings.run_name)
        else:
            run = _reopen(client, uri, resume_run_id)
        try:
            _describe(client, run, params, config_text, {**origin_tags(settings.source_name), **tags})
        except Exception:
            client.set_terminated(run.info.run_id, "FAILED")
            raise
    return MlflowTracker(client, run, settings)


def close_abandoned(tracking_uri: str, run_id: str) -> None:
    """Set a run to FAILED that is still running though nothing works on it any more."""
    client = MlflowClient(resolve_uri(tracking_uri))
    if client.get_run(run_id).info.status == "RUNNING":
        client.set_terminated(run_id, "FAILED")


def download_model(model_uri: str, tracking_uri: str, folder: Path) -> Path:
    """Bring a model's files (models:/..., runs:/...) into `folder`; raises TrackingError where that fails."""
    uri = resolve_uri(tracking_uri)
    check_store(uri)
    with _store_errors(uri):
        return Path(mlflow.artifacts.download_artifacts(model_uri, dst_path=str(folder), tracking_uri=uri))


class MlflowTracker:
    """Records one MLflow run; see `Tracker`. Made by `open_tracker`.

    Of a resumed run, values at steps that the store or the journal already holds are not recorded again.
    """

    def __init__(self, client: MlflowClient, run: Run, settings: TrackingSettings) -> None:
        self.run_id: str = run.info.run_id
        self.run_url: str = run_url(client.tracking_uri, run.info.experiment_id, self.run_id)
        self._client = client
        self._experiment_id: str = run.info.experiment_id
        journal = Journal(settings.journal_folder / f"{self.run_id}.jsonl")
        self._last_steps = _last_steps(run, journal)
        self._writer = BackgroundWriter(self._write, journal)
        self._sampler = self._start_sampler(settings.system_metrics_seconds) if settings.system_metrics else None
        self._finished = False

    def log(self, step: int, values: Mapping[str, float]) -> None:
        last = self._last_steps
        if last:
            values = {name: value for name, value in values.items() if step > last.get(name, -1)}
        self._writer.log(step, values)

    def log_tags(self, tags: Mapping[str, str]) -> None:
        entities = _tags(tags)
        self._submit("tags", lambda: self._client.log_batch(self.run_id, tags=entities))

    def log_figure(self, name: str, figure: "Figure") -> None:
        self._submit(name, lambda: self._client.log_figure(self.run_id, figure, name))

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
        self._submit(str(path), lambda: log(self.run_id, str(path), folder))

    def log_text(self, name: str, text: str) -> None:
        self._submit(name, lambda: self._client.log_text(self.run_id, text, name))

    def log_dataset(self, name: str, digest: str, source: str, schema: Mapping[str, str], context: str) -> None:
        columns = [{"name": column, "type": kind} for column, kind in schema.items()]
        dataset = Dataset(
            name=name,
            digest=digest[:MAX_DATASET_DIGEST_SIZE],
            source_type="local",
            source=json.dumps({"uri": source}),
            schema=json.dumps({"mlflow_colspec": columns}),
        )
        used = DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
        self._submit(f"data set {name}", lambda: self._client.log_inputs(self.run_id, datasets=[used]))

    def log_model(self, package: ModelPackage, step: int, metrics: Mapping[str, float]) -> str | None:
        answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def save() -> None:
            try:
                answer.put(_attempt(lambda: self._save_model(package, step, metrics)))
            except Rejected:
                answer.put(None)
                raise

        self._writer.submit(f"model {package.name}", save)
        deadline = time.monotonic() + MODEL_SECONDS
        while self._writer.failing_seconds < PATIENCE_SECONDS and time.monotonic() < deadline:
            with suppress(queue.Empty):
                return answer.get(timeout=0.5)
        return None

    def open_child(self, name: str) -> str:
        with _store_errors(self._client.tracking_uri):
            tags = {"mlflow.parentRunId": self.run_id}
            run = self._client.create_run(self._experiment_id, run_name=name, tags=tags)
        child: str = run.info.run_id
        return child

    def close_child(self, run_id: str, status: RunStatus) -> None:
        self._submit(f"status {status} of {run_id}", lambda: self._client.set_terminated(run_id, status))

    def finish(self, status: RunStatus) -> list[str]:
        if self._finished:
            return []
        self._finished = True
        if self._sampler is not None:
            self._sampler.stop()
        self._submit(f"status {status}", lambda: self._client.set_terminated(self.run_id, status))
        unwritten = self._writer.close(PATIENCE_SECONDS, STALL_SECONDS)
        return [f"MLflow: {without_password(line)}" for line in unwritten.lines()]

    def _submit(self, name: str, task: Callable[[], object]) -> None:
        self._writer.submit(name, lambda: _attempt(task))

    def _write(self, points: Sequence[Point]) -> None:
        metrics = [Metric(*point) for point in points]
        _attempt(lambda: self._client.log_batch(self.run_id, metrics=metrics))

    def _start_sampler(self, interval: float) -> Sampler:
        monitor = SystemMetricsMonitor(self.run_id, tracking_uri=self._client.tracking_uri)

        def read() -> dict[str, float]:
            monitor.collect_metrics()
            values = {SYSTEM_PREFIX + name: value for name, value in monitor.aggregate_metrics().items()}
            for source in monitor.monitors:
                source.clear_metrics()
            return values

        last = max((s for name, s in self._last_steps.items() if name.startswith(SYSTEM_PREFIX)), default=-1)
        return Sampler(read, self._writer.log, interval=interval, first_step=last + 1)

    def _save_model(self, package: ModelPackage, step: int, metrics: Mapping[str, float]) -> str:
        model = self._client.create_logged_model(self._experiment_id, package.name, source_run_id=self.run_id)
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "model"
                _write_model(package, path, model, self.run_id)
                self._client.log_model_artifacts(model.model_id, str(path))
        except Exception:
            self._client.finalize_logged_model(model.model_id, "FAILED")
            raise
        self._client.finalize_logged_model(model.model_id, "READY")
        self._client.log_outputs(self.run_id, [LoggedModelOutput(model.model_id, step)])
        self._log_model_metrics(model.model_id, step, metrics)
        return str(model.model_uri)

    def _log_model_metrics(self, model_id: str, step: int, metrics: Mapping[str, float]) -> None:
        """Tie metrics to a model. A value the run has keeps its time, so that the run gets it only once."""
        now = int(time.time() * 1000)
        entities = []
        for name, value in metrics.items():
            history = self._client.get_metric_history(self.run_id, name)
            known = (point.timestamp for point in history if point.step == step and point.value == value)
            entities.append(Metric(name, float(value), next(known, now), step, model_id, run_id=self.run_id))
        self._client.log_batch(self.run_id, metrics=entities)


def _write_model(package: ModelPackage, path: Path, model: LoggedModel, run_id: str) -> None:
    """Lay out the model's folder; raises `Rejected`, for nothing here depends on the store."""
    try:
        mlflow.pyfunc.save_model(
            path=str(path),
            python_model=str(package.python_model),
            artifacts={name: str(source) for name, source in package.artifacts.items()},
            signature=_signature(package),
            input_example=package.input_example,
            pip_requirements=list(package.pip_requirements),
            code_paths=[str(source) for source in package.code_paths] or None,
            mlflow_model=Model(
                artifact_path=model.artifact_location,
                run_id=run_id,
                model_uuid=model.model_id,
                model_id=model.model_id,
            ),
        )
    except Exception as error:
        raise Rejected(str(error)) from error


def _signature(package: ModelPackage) -> ModelSignature:
    """Types of inputs and outputs. Columns are named but take any type: MLflow would refuse whole numbers for a
    column of floats, or booleans where the example has text, and the model's own preprocessing checks the rows."""
    signature = infer_signature(package.input_example, package.output_example)
    if signature.inputs.is_tensor_spec():
        return signature
    columns = [ColSpec(AnyType(), name=name) for name in signature.inputs.input_names()]
    return ModelSignature(inputs=Schema(columns), outputs=signature.outputs)


def _attempt(action: Callable[[], T]) -> T:
    """Run an action on the store; raises `Rejected` unless the store itself failed and may recover."""
    try:
        return action()
    except Rejected:
        raise
    except MlflowException as error:
        if error.error_code in _PERMANENT:
            raise Rejected(str(error)) from error
        raise
    except Exception as error:
        raise Rejected(f"{type(error).__name__}: {error}") from error


@contextmanager
def _store_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except TrackingError:
        raise
    except Exception as error:
        reason = without_password(str(error).strip().splitlines()[0] if str(error) else type(error).__name__)
        raise TrackingError(f"tracking: {without_password(uri)} cannot be used: {reason}") from error


def _experiment(client: MlflowClient, uri: str, settings: TrackingSettings) -> str:
    """The id of the experiment, created where it does not exist."""
    name, location = settings.experiment, settings.artifact_location
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        if location is None and is_sqlite(uri):
            location = (sqlite_path(uri).parent / "mlartifacts").as_uri()
        try:
            return str(client.create_experiment(name, artifact_location=location))
        except MlflowException as error:  # another process was faster
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            experiment = client.get_experiment_by_name(name)
    if experiment.lifecycle_stage != "active":
        raise TrackingError(
            f"tracking.experiment: {name!r} was deleted: choose another name, or restore it with "
            f"`mlflow experiments restore --experiment-id {experiment.experiment_id}`"
        )
    return str(experiment.experiment_id)


def _reopen(client: MlflowClient, uri: str, run_id: str) -> Run:
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            raise TrackingError(
                f"tracking: {without_password(uri)} has no run {run_id}: "
                "set tracking.tracking_uri to where it was recorded"
            ) from error
        raise
    if run.info.lifecycle_stage != "active":
        raise TrackingError(
            f"tracking: the run {run_id} was deleted: restore it with `mlflow runs restore --run-id {run_id}`"
        )
    client.update_run(run_id, "RUNNING")
    return run


def _describe(
    client: MlflowClient, run: Run, params: Mapping[str, str], config_text: str, tags: Mapping[str, str]
) -> None:
    entities = [
        Param(_param_name(name), value[:MAX_PARAM_VAL_LENGTH])
        for name, value in params.items()
        if _param_name(name) not in run.data.params
    ]
    client.log_batch(run.info.run_id, params=entities, tags=_tags(tags))
    client.log_text(run.info.run_id, config_text, "config.yaml")


def _param_name(name: str) -> str:
    """The name with the characters that MLflow does not allow replaced."""
    return re.sub(r"[^\w\-. :/]", "_", name)[:MAX_ENTITY_KEY_LENGTH]


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, value[:MAX_TAG_VAL_LENGTH]) for name, value in tags.items()]


def _last_steps(run: Run, journal: Journal) -> dict[str, int]:
    """The last step of each metric that the run or its journal holds."""
    last = {metric.key: int(metric.step) for metric in run.data._metric_objs}
    for point in journal:
        last[point.name] = max(point.step, last.get(point.name, -1))
    return last
