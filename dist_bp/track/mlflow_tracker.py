"""The tracker that records into MLflow."""

import json
import queue
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Run
from mlflow.utils.validation import MAX_DATASET_DIGEST_SIZE

from dist_bp.messages import without_password
from dist_bp.track.mlflow_models import RunModels, params_of_models
from dist_bp.track.mlflow_notes import Notes
from dist_bp.track.mlflow_replay import deliver
from dist_bp.track.mlflow_run import last_steps
from dist_bp.track.mlflow_store import attempt, opened_store
from dist_bp.track.mlflow_system import system_sampler
from dist_bp.track.names import is_curve
from dist_bp.track.port import PARENT, Checkpoints, ModelPackage, Registration, RunStatus, TrackingSettings
from dist_bp.track.spool import Point
from dist_bp.track.store import run_url
from dist_bp.track.waiting import Waiting
from dist_bp.track.writer import BackgroundWriter, Rejected, Unwritten

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PATIENCE_SECONDS = 8.0  # with a store that fails
STALL_SECONDS = 60.0  # with a store that hangs
MODEL_SECONDS = 600.0  # for one that is slow: a model can be large
MIRROR_SECONDS = 30.0  # between two looks at the checkpoints: each takes a processor from the training,
MIRROR_REST = 100.0  # or this many times as long as the last look took
TAGS, END = "tags", "the end of the run"
"""Tasks of which a later command can do what was left."""


class MlflowTracker:
    """Records one MLflow run; see `Tracker`. Made by `open_tracker`.

    Of a resumed run, values at steps that the store or the spool already holds are not recorded again.

    Args:
        close_store: called when the run is finished and the client no longer needed.
    """

    def __init__(
        self,
        client: MlflowClient,
        run: Run,
        settings: TrackingSettings,
        waiting: Waiting,
        close_store: Callable[[], None],
    ) -> None:
        self.run_id: str = run.info.run_id
        self.run_name: str | None = None if PARENT in run.data.tags else run.info.run_name
        self.run_url: str = run_url(client.tracking_uri, run.info.experiment_id, self.run_id)
        self._client = client
        self._close_store = close_store
        self._experiment_id: str = run.info.experiment_id
        self._waiting = waiting
        spool = waiting.spool
        self._last_steps = last_steps(run, spool)
        self.told_until = max((step for name, step in self._last_steps.items() if is_curve(name)), default=-1)
        self._writer = BackgroundWriter(self._write, spool)
        self._notes = Notes(client, waiting)
        self._record_what_waits()
        self._models = RunModels(
            client, self._experiment_id, self.run_id, params_of_models(run.data.params), self._writer.write_points
        )
        self._checkpoints: Checkpoints | None = None
        self._rest = MIRROR_SECONDS
        self._sampler = (
            system_sampler(
                self.run_id, client.tracking_uri, self._writer.log, settings.system_metrics_seconds, self._last_steps
            )
            if settings.system_metrics
            else None
        )
        self._finished = False

    def log(self, step: int, values: Mapping[str, float]) -> None:
        last = self._last_steps
        if last:
            values = {name: value for name, value in values.items() if step > last.get(name, -1)}
        self._writer.log(step, values)

    def log_tags(self, tags: Mapping[str, str]) -> None:
        self._submit(TAGS, self._notes.tag(tags))

    def log_figure(self, name: str, figure: "Figure") -> None:
        self._submit(name, lambda: self._client.log_figure(self.run_id, figure, name))

    def log_image(self, name: str, image: Callable[[], bytes]) -> None:
        folder, _, file = name.rpartition("/")

        def log() -> None:
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / file
                path.write_bytes(image())
                self._client.log_artifact(self.run_id, str(path), folder or None)

        self._submit(name, log)

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        log = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
        self._submit(str(path), lambda: log(self.run_id, str(path), folder))

    def log_text(self, name: str, text: str) -> None:
        self._submit(name, self._notes.text(name, text))

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

    def keep(self) -> None:
        self._writer.keep()
        self._notes.keep()

    def log_checkpoints(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._writer.submit_later("checkpoints", self._mirror, self._rest)

    def log_model(self, package: ModelPackage, step: int, metrics: Mapping[str, float]) -> str | None:
        answer: queue.SimpleQueue[str | None] = queue.SimpleQueue()

        def save() -> None:
            try:
                answer.put(attempt(lambda: self._models.log(package, step, metrics)))
            except Rejected:
                answer.put(None)
                raise

        self._submit_mirror()
        self._writer.submit(f"model {package.name}", save)
        deadline = time.monotonic() + MODEL_SECONDS
        while self._writer.failing_seconds < PATIENCE_SECONDS and time.monotonic() < deadline:
            with suppress(queue.Empty):
                return answer.get(timeout=0.5)
        return None

    def register_model(self, model_uri: str, registration: Registration) -> None:
        self._submit(f"model {registration.name}", lambda: self._models.register(model_uri, registration))

    def open_child(self, name: str) -> str:
        made = f"tags.`{PARENT}` = '{self.run_id}' and attributes.run_name = '{name}'"
        with opened_store(self._client.tracking_uri) as client:
            (run,) = client.search_runs([self._experiment_id], made, max_results=1) or [
                client.create_run(self._experiment_id, run_name=name, tags={PARENT: self.run_id})
            ]
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
        self._submit_mirror()
        self._waiting.status, self._waiting.ended = status, time.time_ns() // 1_000_000
        self._submit(END, self._end)
        unwritten = self._writer.close(PATIENCE_SECONDS, STALL_SECONDS)
        self._close_store()
        return [f"MLflow: {without_password(line)}" for line in self._leave(unwritten).lines()]

    def deliver(self, other: Waiting) -> None:
        """Record what an earlier run has left, in the background."""
        self._submit(f"what run {other.run_id} has left", lambda: deliver(self._client, other))

    def _end(self) -> None:
        self._client.set_terminated(self.run_id, self._waiting.status)
        self._waiting.status = ""

    def _record_what_waits(self) -> None:
        """What a process before this one was told of the run, and has not recorded."""
        if tags := dict(self._waiting.tags):
            self.log_tags(tags)
        for name, text in dict(self._waiting.texts).items():
            self.log_text(name, text)

    def _leave(self, unwritten: Unwritten) -> Unwritten:
        """Keeps what is to be delivered later; returns what is left to be told."""
        waiting = self._waiting
        try:
            if unwritten.spooled or waiting.tags or waiting.texts or waiting.status:
                waiting.save()
            else:
                waiting.done()
        except OSError:
            return unwritten
        kept = [name for name in unwritten.tasks if name in (TAGS, END) or name in waiting.texts]
        left = tuple(name for name in unwritten.tasks if name not in kept)
        return replace(unwritten, tasks=left, end_waits=bool(kept))

    def _submit_mirror(self) -> None:
        if self._checkpoints:
            self._writer.submit("checkpoints", self._mirror)

    def _mirror(self) -> None:
        checkpoints = self._checkpoints
        if checkpoints is None:
            return
        begin = time.monotonic()
        try:
            attempt(lambda: self._models.mirror(checkpoints))
        except Rejected:
            self._checkpoints = None
            raise
        self._rest = max(MIRROR_SECONDS, MIRROR_REST * (time.monotonic() - begin))

    def _submit(self, name: str, task: Callable[[], object]) -> None:
        self._writer.submit(name, lambda: attempt(task))

    def _write(self, points: Sequence[Point]) -> None:
        metrics = [Metric(*point) for point in points]
        attempt(lambda: self._client.log_batch(self.run_id, metrics=metrics))
