"""What MLflow has of a run."""

from pathlib import Path

from mlflow import MlflowClient

from dist_bp.track.port import Tracker


def history(client: MlflowClient, tracker: Tracker, name: str) -> list[tuple[int, float]]:
    return sorted((m.step, m.value) for m in client.get_metric_history(tracker.run_id, name))


def artifact(client: MlflowClient, tracker: Tracker, name: str) -> Path:
    return Path(client.get_run(tracker.run_id).info.artifact_uri.removeprefix("file://")) / name
