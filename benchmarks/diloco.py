"""Bytes sent and loss reached by diloco and local beside sync: `python -m benchmarks.diloco [CONFIG] [KEY=VALUE]`.

Trains the job on two nodes of one worker, once for each way, from the same start and on the same batches. The nodes are
threads of this process that exchange slices over sockets, so the figures are about loss and bytes, not about time.
Without a configuration it is that of Fashion-MNIST where its files are there, else that of scikit-learn's digits.
"""

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.dist_bp_runs import NodesInThreads
from benchmarks.report import RESULTS, markdown
from benchmarks.ways import Settings, in_each_way, tell
from dist_bp.config import JobConfig, load_config
from dist_bp.errors import DistBpError, UserError
from dist_bp.train.setup import prepare_job

NODES = 2
CONFIGS = ("configs/fashion_mnist_mlp.yaml", "configs/digits.yaml")
"""The first of them whose data is there."""
INT8 = {"compression": "int8"}


@dataclass(frozen=True)
class Curve:
    """Of each epoch: the loss of its training, and loss and metrics of the validation split after it.

    `wire_bytes` is what a node has sent in a step, on average.
    """

    training: list[float]
    validation: list[float]
    metrics: list[dict[str, float]]
    wire_bytes: float


def ways(local_steps: int) -> dict[str, dict[str, Any]]:
    """The settings of the parameter server by their names."""
    local = {"mode": "local", "local_steps": local_steps}
    diloco = {"mode": "diloco", "local_steps": local_steps}
    return {
        "sync": {"mode": "sync"},
        "sync, int8": {"mode": "sync"} | INT8,
        "local": local,
        "diloco": diloco,
        "diloco, int8": diloco | INT8,
    }


def default_config() -> JobConfig:
    first, second = CONFIGS
    config = load_config(first, ())
    try:
        prepare_job(config)
    except UserError as error:
        print(f"{second} instead of {first}: {error.problems[0]}", file=sys.stderr)
        return load_config(second, ())
    return config


def train(config: JobConfig, settings: Settings, epochs: int) -> Curve:
    """Raises BenchmarkError where the run diverges."""
    told = config.model_dump(exclude_unset=True)
    told["parameter_server"] = dict(settings)
    told["scaling"] = told.get("scaling", {}) | {"num_workers": NODES}
    told["train"]["epochs"] = epochs  # schedules end with them
    job = prepare_job(JobConfig.model_validate(told))
    curve, sent, steps = Curve([], [], [], 0.0), 0, 0
    run = NodesInThreads(job, NODES)
    try:
        for epoch in range(epochs):
            report = run.train(job.steps_per_epoch)
            loss, metrics = run.evaluate("validation")
            curve.training.append(float(report.losses.sum() / report.weights.sum()))
            curve.validation.append(loss)
            curve.metrics.append(metrics)
            sent, steps = sent + report.wire_bytes, steps + report.steps
            print(f"epoch {epoch + 1}: {curve.training[-1]:.4f}, {loss:.4f}", file=sys.stderr, flush=True)
    finally:
        run.close()
    return Curve(curve.training, curve.validation, curve.metrics, sent / NODES / steps)


def table(curves: Mapping[str, Curve]) -> str:
    metric = next(iter(curves["sync"].metrics[-1]), None)
    header = ("mode", "kB a node and step", "of sync", "validation loss, last epoch", "least")
    rows = [(*header, f"validation {metric}, last epoch") if metric else header]
    for name, curve in curves.items():
        part = curve.wire_bytes / curves["sync"].wire_bytes
        cells = (name, f"{curve.wire_bytes / 1e3:,.1f}", f"{part:.2%}", f"{curve.validation[-1]:.4f}")
        least = f"{min(curve.validation):.4f}"
        rows.append((*cells, least, f"{curve.metrics[-1][metric]:.4f}") if metric else (*cells, least))
    return markdown(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.diloco")
    parser.add_argument("config", nargs="?", help=f"a job; without one {' or '.join(CONFIGS)}")
    parser.add_argument("overrides", nargs="*", metavar="KEY=VALUE")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--local-steps", type=int, default=50, help="steps between two averages")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    try:
        config = load_config(options.config, options.overrides) if options.config else default_config()
        curves = in_each_way(ways(options.local_steps), lambda settings: train(config, settings, options.epochs))
    except DistBpError as error:
        sys.exit(f"error: {error}")
    about = f"{config.name}, {options.epochs} epochs, averages every {options.local_steps} steps"
    figures = {"job": config.name, "epochs": options.epochs, "local_steps": options.local_steps}
    tell(curves, table(curves), about, figures, options.results / "diloco.json")


if __name__ == "__main__":
    main()
