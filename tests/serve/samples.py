"""Small models, saved without training: only the way from raw rows to predictions is of interest."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from dist_bp import build
from dist_bp.checkpoint import Checkpoint, CheckpointStore
from dist_bp.config import load_config, render
from dist_bp.nn import Layout

DENSE = [{"type": "dense", "units": 5, "activation": "relu"}]


def configuration(folder: Path, source: dict[str, Any], units: int, **changes: Any) -> Path:
    """A job's file in `folder`."""
    job: dict[str, Any] = {
        "name": "job",
        "data": {
            "source": source,
            "preprocess": [{"type": "standardize"}],
            "prepared": str(folder / "prepared"),
        },
        "model": {"layers": [*DENSE, {"type": "dense", "units": units}]},
        "loss": {"type": "cross_entropy"},
        "train": {"optimizer": {"type": "sgd", "learning_rate": 0.1}},
        "checkpoint": {"directory": str(folder / "runs")},
    }
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(job | changes))
    return path


def save(config_path: Path, step: int = 1, **learnt: Any) -> Path:
    """A checkpoint, in the run `run`, of the job with random parameters and statistics, and what was `learnt` about the
    targets, see `Pipeline.with_targets`."""
    config = load_config(config_path)
    prepared = build.prepare(config)
    pipeline = prepared.pipeline.with_targets(**learnt)
    model = build.build_model(config, prepared.schema)
    draw = np.random.default_rng(step)

    def arrays(layout: Layout) -> dict[str, Any]:
        return {
            entry.name: (draw.uniform(0.1, 1, entry.shape) * draw.choice([-1, 1])).astype(config.model.dtype)
            if "weight" in entry.name or "bias" in entry.name
            else draw.uniform(0.5, 1.5, entry.shape).astype(config.model.dtype)
            for entry in layout.entries
        }

    checkpoint = Checkpoint(
        step=step,
        parameters=arrays(model.layout),
        statistics=arrays(model.statistics_layout),
        config=render(config),
        pipeline=pipeline.to_dict(),
        dtype=config.model.dtype,
        data_digest=prepared.digest,
        job=config.name,
        run_id="run",
    )
    store = CheckpointStore(Path(config.checkpoint.directory) / "run" / "checkpoints")
    return store.save(checkpoint, -float(step))
