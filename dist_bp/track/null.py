"""A tracker that records nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from dist_bp.track.port import Checkpoints, ModelPackage, Registration, RunStatus

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class NullTracker:
    """Stands in where a job runs without a store."""

    run_id: str | None = None
    run_name: str | None = None
    run_url: str | None = None
    told_until = -1

    def log(self, step: int, values: Mapping[str, float]) -> None:
        pass

    def log_tags(self, tags: Mapping[str, str]) -> None:
        pass

    def log_figure(self, name: str, figure: "Figure") -> None:
        pass

    def log_image(self, name: str, image: Callable[[], bytes]) -> None:
        pass

    def log_artifact(self, path: Path, folder: str | None = None) -> None:
        pass

    def log_text(self, name: str, text: str) -> None:
        pass

    def log_dataset(self, name: str, digest: str, source: str, schema: Mapping[str, str], context: str) -> None:
        pass

    def keep(self) -> None:
        pass

    def log_checkpoints(self, checkpoints: Checkpoints) -> None:
        pass

    def register_model(self, model_uri: str, registration: Registration) -> None:
        pass

    def log_model(self, package: ModelPackage, step: int, metrics: Mapping[str, float]) -> str | None:
        return None

    def open_child(self, name: str) -> str:
        return name

    def close_child(self, run_id: str, status: RunStatus) -> None:
        pass

    def finish(self, status: RunStatus) -> list[str]:
        return []
