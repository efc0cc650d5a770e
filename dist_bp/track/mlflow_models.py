"""The models of a run: logged, mirrored from its checkpoints, registered, fetched."""

import json
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus, Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.utils.models import get_model_name_and_version
from mlflow.utils.mlflow_tags import MLFLOW_MODEL_VERSIONS

from dist_bp.config.trust import params_name_code
from dist_bp.errors import TrackingError
from dist_bp.messages import first_line, without_password
from dist_bp.track.mlflow_packing import pack, repack
from dist_bp.track.mlflow_store import PERMANENT, opened_store
from dist_bp.track.port import DESCRIPTION, Checkpoints, ModelPackage, Registration

MODEL_PARAM_LENGTH = 500
BEST = "best"
"""The alias of a registered model's best version."""

CHECKPOINT = "dist_bp.checkpoint"
"""The name of checkpoint models is `checkpoint`, and this the tag with the checkpoint's folder."""


HOW_TO_USE = """\
Parameters of step {step:,} with their preprocessing: raw rows in, predictions out.

```
mlflow.pyfunc.load_model("{uri}").predict(rows)
dist-bp evaluate {uri}{trust}
dist-bp predict {uri}{trust} --input FILE --output predictions.csv
```
"""
"""A model's description."""


class RunModels:
    """The models of one run; used by one thread.

    Args:
        params: what the models were trained with.
        before_metrics: called before metrics are tied to a model; afterwards the store must hold the run's points.
    """

    def __init__(
        self,
        client: MlflowClient,
        experiment_id: str,
        run_id: str,
        params: Mapping[str, str],
        before_metrics: Callable[[], None],
    ) -> None:
        self._client = client
        self._experiment_id = experiment_id
        self._run_id = run_id
        self._params = dict(params)
        self._before_metrics = before_metrics
        self._scratch: Path | None = None
        self._checkpoints: dict[str, LoggedModel] | None = None

    def log(self, package: ModelPackage, step: int, metrics: Mapping[str, float]) -> str:
        """Log a model and the metrics it reached at `step`, unless the run has it already; returns its URI."""
        if package.tags:
            for model in self._find(package.name):
                if package.tags.items() <= model.tags.items():
                    return str(model.model_uri)
        self._before_metrics()
        return str(self._create(package, step, metrics).model_uri)

    def mirror(self, checkpoints: Checkpoints) -> None:
        """Log those of the checkpoints that the run has no model of, and delete models whose checkpoint is gone."""
        stored = {checkpoint.path.name: checkpoint for checkpoint in checkpoints.stored()}
        self._before_metrics()
        if self._checkpoints is None:
            self._scratch = checkpoints.scratch
            self._checkpoints = {Path(model.tags[CHECKPOINT]).name: model for model in self._find("checkpoint")}
        for name in self._checkpoints.keys() - stored.keys():
            self._delete(self._checkpoints.pop(name))
        for name in stored.keys() - self._checkpoints.keys():
            checkpoint = stored[name]
            with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
                package = checkpoints.package(checkpoint, Path(folder) / "model")
                if package:
                    package = replace(package, name="checkpoint", tags={CHECKPOINT: str(checkpoint.path)})
                    self._checkpoints[name] = self._create(package, checkpoint.step, checkpoint.metrics)

    def register(self, model_uri: str, registration: Registration) -> None:
        """Make the model the newest version of a registered model, and the best of all versions the alias `best`."""
        client, name = self._client, registration.name
        model = client.get_logged_model(model_uri.rpartition("/")[2])
        source = model.artifact_location  # a models:/ URI would be looked up in another store
        try:
            client.create_registered_model(name)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        versions = list(client.search_model_versions(f"name = '{name}'"))
        if source not in (version.source for version in versions):
            tags = {"monitor": registration.monitor, "value": repr(registration.value), "mode": registration.mode}
            versions.append(client.create_model_version(name, source, self._run_id, tags, model_id=model.model_id))
            self._link(model, versions[-1])
        if best := _best(versions, registration):
            client.set_registered_model_alias(name, BEST, best.version)

    def _find(self, name: str) -> list[LoggedModel]:
        """Complete models of the run; what a killed process left incomplete is deleted."""
        query = f"source_run_id = '{self._run_id}' AND name = '{name}'"
        found = []
        token = None
        while True:
            page = self._client.search_logged_models([self._experiment_id], query, page_token=token)
            found += page
            if not (token := page.token):
                break
        ready = [model for model in found if model.status == LoggedModelStatus.READY]
        for model in found:
            if model not in ready:
                self._delete(model)
        return ready

    def _create(self, package: ModelPackage, step: int, metrics: Mapping[str, float]) -> LoggedModel:
        model = self._client.create_logged_model(
            self._experiment_id, package.name, self._run_id, dict(package.tags), self._params
        )
        try:
            description = HOW_TO_USE.format(
                step=step, uri=model.model_uri, trust=" --trust-code" * params_name_code(self._params)
            )
            self._client.set_logged_model_tags(model.model_id, {DESCRIPTION: description})
            with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
                path = Path(folder) / "packed"
                self._pack(package, path, model)
                self._client.log_model_artifacts(model.model_id, str(path))
            self._client.log_outputs(self._run_id, [LoggedModelOutput(model.model_id, step)])
            self._log_metrics(model.model_id, step, metrics)
            return self._client.finalize_logged_model(model.model_id, "READY")
        except Exception:
            with suppress(Exception):
                self._delete(model)
            raise

    def _pack(self, package: ModelPackage, path: Path, model: LoggedModel) -> None:
        template = self._scratch / "template" if self._scratch else None
        if template and template.exists():
            repack(template, package, path, model)
            return
        pack(package, path, model)
        if template:
            shutil.copytree(path, template)

    def _log_metrics(self, model_id: str, step: int, metrics: Mapping[str, float]) -> None:
        """Tie metrics to a model. A value the run has keeps its time, so that the run gets it only once."""
        now = int(time.time() * 1000)
        entities = []
        for name, value in metrics.items():
            history = self._client.get_metric_history(self._run_id, name)
            known = (point.timestamp for point in history if point.step == step and point.value == value)
            entities.append(Metric(name, float(value), next(known, now), step, model_id, run_id=self._run_id))
        self._client.log_batch(self._run_id, metrics=entities)

    def _delete(self, model: LoggedModel) -> None:
        """Delete a model and its files, but not one that was registered."""
        try:
            now = self._client.get_logged_model(model.model_id)
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":  # somebody has deleted it
                return
            raise
        if MLFLOW_MODEL_VERSIONS in now.tags:
            return
        uri = self._client.tracking_uri
        get_artifact_repository(model.artifact_location, tracking_uri=uri).delete_artifacts()
        self._client.delete_logged_model(model.model_id)

    def _link(self, model: LoggedModel, version: ModelVersion) -> None:
        """What the user interface knows a model's versions by."""
        known = model.tags.get(MLFLOW_MODEL_VERSIONS, "[]")
        versions = [*json.loads(known), {"name": version.name, "version": version.version}]
        self._client.set_logged_model_tags(model.model_id, {MLFLOW_MODEL_VERSIONS: json.dumps(versions)})


def params_of_models(params: Mapping[str, str]) -> dict[str, str]:
    """Those that a model is told by: what was set of data, layers, loss and training."""
    sections = ("data", "model", "loss", "train")
    return {
        name: value[:MODEL_PARAM_LENGTH]
        for name, value in params.items()
        if name.partition(".")[0] in sections and value != "null"
    }


def download_model(model_uri: str, tracking_uri: str, folder: Path) -> Path:
    """Bring a model's files (models:/..., runs:/...) into `folder`; raises TrackingError where that fails."""
    with opened_store(tracking_uri) as client:
        uri = client.tracking_uri
        try:
            location = _location(client, model_uri)
            return Path(mlflow.artifacts.download_artifacts(location, dst_path=str(folder), tracking_uri=uri))
        except MlflowException as error:
            if error.error_code in PERMANENT:
                raise TrackingError(f"{model_uri} is not in {without_password(uri)}: {first_line(error)}") from error
            raise


def _location(client: MlflowClient, model_uri: str) -> str:
    """Where the files of a model are. MLflow looks names of models up in another store than the one it is given."""
    if not model_uri.startswith("models:/"):
        return model_uri
    id_or_version = get_model_name_and_version(client, model_uri)
    if len(id_or_version) == 1:
        return str(client.get_logged_model(*id_or_version).artifact_location)
    return _location(client, client.get_model_version_download_uri(*id_or_version))


def _best(versions: list[ModelVersion], registration: Registration) -> ModelVersion | None:
    """The best of the versions measured by the same monitor, the earliest of equals."""
    sign = 1 if registration.mode == "min" else -1
    values = [
        (sign * float(version.tags["value"]), int(version.version), version)
        for version in versions
        if (version.tags.get("monitor"), version.tags.get("mode")) == (registration.monitor, registration.mode)
    ]
    finite = [value for value in values if math.isfinite(value[0])]
    return min(finite, key=lambda value: value[:2])[2] if finite else None
