"""A trained model with its preprocessing, ready to predict."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from dist_bp import build
from dist_bp.checkpoint import load
from dist_bp.config import JobConfig, load_config
from dist_bp.data import Pipeline, Schema
from dist_bp.nn import Loss, Model

if TYPE_CHECKING:
    pass

Array = npt.NDArray[Any]
BATCH_ROWS = 1024


class SavedModel:
    """Predicts from raw rows; made by `load`. May be shared between threads."""

    def __init__(
        self, config: JobConfig, pipeline: Pipeline, parameters: Mapping[str, Array], statistics: Mapping[str, Array]
    ) -> None:
        self.config = config
        self.pipeline = pipeline
        self.schema = Schema.of(pipeline)
        self.model: Model = build.build_model(config, self.schema)
        self.loss: Loss = build.build_loss(config, None)
        self._parameters = _views(self.model.layout, parameters, self.model.dtype)
        self._statistics = _views(self.model.statistics, statistics, self.model.dtype)

    @classmethod
    def load(cls, path: Path | str) -> "SavedModel":
        """The model of a checkpoint directory or an exported one (see `find_model`); raises CheckpointError."""
        path = Path(path)
        checkpoint = load(path, for_resuming=False)
        pipeline = Pipeline.from_dict(checkpoint.pipeline)
        return cls(load_config(path / "config.yaml"), pipeline, checkpoint.parameters, checkpoint.statistics)
