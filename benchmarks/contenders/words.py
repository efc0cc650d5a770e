"""A network on words that trains as it is told: a line of JSON in, a line of JSON out, until the end of the input.

`{"rows": N, "optimizer": {...}, "steps": S}` begins anew with a vocabulary of N words, `{"steps": S}` goes on.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dist_bp_runs import JobRun, local_ray
from benchmarks.works import SEED
from dist_bp.config import JobConfig
from dist_bp.train.setup import prepare_job

SAMPLES, WORDS, BATCH, SIZE, CLASSES, WORKERS = 8192, 40, 64, 128, 5, 2
OBJECT_STORE = 3 * 2**30


def write_texts(rows: int, path: Path) -> None:
    """Words by their rank: number r is drawn with a probability in proportion to 1 / (r + 1)."""
    generator = np.random.default_rng(SEED)
    likely = np.cumsum(1.0 / np.arange(1, rows + 1))
    words = np.searchsorted(likely, generator.random((SAMPLES, WORDS)) * likely[-1])
    np.savez(path, x=words, y=generator.integers(0, CLASSES, SAMPLES))


def configuration(rows: int, optimizer: dict[str, Any], path: Path) -> JobConfig:
    return JobConfig.model_validate(
        {
            "name": "words",
            "seed": SEED,
            "data": {
                "source": {"type": "npz", "path": str(path)},
                "split": {"validation": 0, "test": 0},
                "preprocess": [{"type": "integers", "count": rows}],
                "prepared": str(path.parent / "prepared"),
            },
            "model": {
                "layers": [
                    {"type": "embedding", "size": SIZE},
                    {"type": "mean_over_time"},
                    {"type": "dense", "units": 64, "activation": "relu"},
                    {"type": "dense", "units": CLASSES},
                ]
            },
            "loss": {"type": "cross_entropy"},
            "train": {
                "epochs": 100_000,
                "batch_size": BATCH,
                "optimizer": optimizer,
                "stop": {"monitor": "train_loss"},
            },
            "checkpoint": {"monitor": "train_loss"},
            "scaling": {"num_workers": WORKERS},
        }
    )


def turn(run: JobRun, steps: int) -> dict[str, float]:
    """The next steps: how many a second, what the slower worker and the server take of each, and their mean loss."""
    begun = time.perf_counter()
    report = run.lease(steps)
    seconds = time.perf_counter() - begun
    computing = max(float((times[:, 1] - times[:, 0]).mean()) for times in (one.times for one in report.workers))
    updating = max(float((times[:, 2] - times[:, 1]).mean()) for times in (one.times for one in report.servers))
    loss = float(report.losses.sum() / report.counts.sum())
    return {"steps": steps / seconds, "compute": 1e3 * computing, "update": 1e3 * updating, "loss": loss}


def begin(question: dict[str, Any]) -> JobRun:
    path = Path(f"words-{question['rows']}.npz").resolve()
    write_texts(question["rows"], path)
    job = prepare_job(configuration(question["rows"], question["optimizer"], path))
    return JobRun(job, job.initial)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # nothing else belongs among the answers
    run: JobRun | None = None
    with local_ray(WORKERS, OBJECT_STORE):
        try:
            for line in sys.stdin:
                question = json.loads(line)
                if "rows" in question:
                    if run:
                        run.close()
                    run = begin(question)
                if run:
                    print(json.dumps(turn(run, question["steps"])), file=answers, flush=True)
        finally:
            if run:
                run.close()


if __name__ == "__main__":
    main()
