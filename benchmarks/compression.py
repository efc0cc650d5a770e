"""What compression of the exchange between nodes does to the loss: `python -m benchmarks.compression [CONFIG]`.

Trains the job on two nodes of one worker, once for each codec, from the same start. The nodes are threads of this
process that exchange slices over sockets, so the figures are about the loss and the bytes, not about time.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dist_bp_runs import NodesInThreads
from benchmarks.report import RESULTS, markdown
from benchmarks.ways import Settings, in_each_way, tell
from dist_bp.config import JobConfig, load_config
from dist_bp.errors import DistBpError
from dist_bp.train.setup import prepare_job

CODECS: dict[str, dict[str, Any]] = {
    "none": {"compression": "none"},
    "fp16": {"compression": "fp16"},
    "int8": {"compression": "int8"},
    "top_k, 10 %": {"compression": "top_k", "top_k_fraction": 0.1},
    "top_k, 1 %": {"compression": "top_k", "top_k_fraction": 0.01},
}
GOAL = 0.01
NODES = 2


@dataclass(frozen=True)
class Curve:
    """Mean training losses of each epoch, and the bytes that a node has sent in a step."""

    losses: list[float]
    wire_bytes: float

    def off(self, reference: "Curve") -> float:
        """How far the last epoch's loss is from the reference's, relative to it."""
        return self.losses[-1] / reference.losses[-1] - 1

    def farthest(self, reference: "Curve") -> float:
        """The largest such difference of all epochs."""
        return max(abs(own / other - 1) for own, other in zip(self.losses, reference.losses, strict=True))


def train(config: JobConfig, settings: Settings, epochs: int) -> Curve:
    server = config.parameter_server.model_copy(update=settings)
    scaling = config.scaling.model_copy(update={"num_workers": NODES})
    job = prepare_job(config.model_copy(update={"parameter_server": server, "scaling": scaling}))
    losses, sent, steps = [], 0, 0
    run = NodesInThreads(job, NODES)
    try:
        for epoch in range(epochs):
            report = run.train(job.steps_per_epoch)
            losses.append(float(report.losses.sum() / report.counts.sum()))
            sent, steps = sent + report.wire_bytes, steps + report.steps
            print(f"epoch {epoch + 1}: {losses[-1]:.4f}", file=sys.stderr, flush=True)
    finally:
        run.close()
    return Curve(losses, sent / NODES / steps)


def table(curves: dict[str, Curve]) -> str:
    rows = [("compression", "MB a node and step", "loss, last epoch", "off", "largest of all epochs", "within 1 %")]
    plain = curves["none"]
    for name, curve in curves.items():
        cells = (name, f"{curve.wire_bytes / 1e6:.3f}", f"{curve.losses[-1]:.4f}")
        verdict = "yes" if abs(curve.off(plain)) <= GOAL else "NO"
        rows.append((*cells, f"{curve.off(plain):+.2%}", f"{curve.farthest(plain):.2%}", verdict))
    return markdown(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compression")
    parser.add_argument("config", nargs="?", default="configs/fashion_mnist_mlp.yaml")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    try:
        config = load_config(options.config, ())
        curves = in_each_way(CODECS, lambda settings: train(config, settings, options.epochs))
    except DistBpError as error:
        sys.exit(f"error: {error}")
    about, figures = f"{options.config}, {options.epochs} epochs", {"config": options.config}
    tell(curves, table(curves), about, figures, options.results / "compression.json")
    plot(curves, options.results / "compression.png")


def plot(curves: dict[str, Curve], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for name, curve in curves.items():
        label = f"{name}: {curve.wire_bytes / 1e6:.2f} MB a step"
        axes.plot(np.arange(1, len(curve.losses) + 1), curve.losses, label=label, marker=".")
    axes.set(xlabel="epoch", ylabel="training loss", title="Compression of the exchange between two nodes")
    axes.legend()
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
