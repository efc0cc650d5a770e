"""The checkpoints of a run as the tracker shows them: models with the metrics of their step."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from dist_bp.checkpoint import CheckpointStore, copy_model
from dist_bp.config import JobConfig
from dist_bp.data import Prepared
from dist_bp.serve.package import Packager
from dist_bp.track.names import curve_name
from dist_bp.track.port import ModelPackage, StoredCheckpoint


class CheckpointModels:
    """Those checkpoints of a run that carry a monitored value; see `Checkpoints`."""

    def __init__(self, store: CheckpointStore, config: JobConfig, prepared: Prepared) -> None:
        self.scratch = store.directory.with_name(".models")
        self.close()
        self.scratch.mkdir(parents=True)
        self.packager = Packager(config, prepared, self.scratch)
        self._store = store

    def close(self) -> None:
        """Removes the files on the way to the tracker."""
        shutil.rmtree(self.scratch, ignore_errors=True)

    def stored(self) -> list[StoredCheckpoint]:
        return [
            StoredCheckpoint(path, manifest.step, curves(manifest.metrics))
            for path, manifest in self._store.manifests().items()
            if manifest.monitored is not None
        ]

    def package(self, checkpoint: StoredCheckpoint, folder: Path) -> ModelPackage | None:
        try:
            copy_model(checkpoint.path, folder)
        except FileNotFoundError:
            return None
        return self.packager.package(folder)


def curves(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of an epoch, by the tracker's names."""
    return {curve_name(name): value for name, value in metrics.items()}
