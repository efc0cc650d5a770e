"""Samples per second of the hot loop beside its bounds, measured side by side.

Two Ray workers and their servers train 784-512-512-10 with momentum at global batch 256. Beside them, in turn: one
worker alone that computes the same 128 rows a step and exchanges nothing, and the bare matrix products of such a
step. Ratios are taken within a block, since the machine's speed drifts; `python -m benchmarks.hot_loop [--blocks N]`.
"""

import argparse
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from dist_bp.config import JobConfig
from dist_bp.runtime.cluster import Cluster
from dist_bp.runtime.plan import RunPlan, limit_threads
from dist_bp.runtime.ray_runtime import RayRuntime
from dist_bp.runtime.threads import ThreadRuntime
from dist_bp.runtime.warden import Warden
from dist_bp.train.setup import Job, prepare_job

SIZES = (784, 512, 512, 10)
BATCH = 256
WORKERS = 2


def configuration(folder: Path, servers: int) -> JobConfig:
    generator = np.random.default_rng(0)
    samples = 8192
    np.savez(
        folder / "data.npz",
        x=generator.normal(size=(samples, SIZES[0])).astype(np.float32),
        y=generator.integers(0, SIZES[-1], samples),
    )
    layers = [{"type": "dense", "units": units, "activation": "relu"} for units in SIZES[1:-1]]
    return JobConfig.model_validate(
        {
            "name": "hot-loop",
            "data": {
                "source": {"type": "npz", "path": str(folder / "data.npz")},
                "split": {"validation": 0, "test": 0},
                "prepared": str(folder / "prepared"),
            },
            "model": {"layers": [*layers, {"type": "dense", "units": SIZES[-1]}]},
            "loss": {"type": "cross_entropy"},
            "train": {
                "epochs": 10_000,
                "batch_size": BATCH,
                "optimizer": {"type": "sgd", "learning_rate": 0.01, "momentum": 0.9},
                "stop": {"monitor": "train_loss"},
            },
            "checkpoint": {"monitor": "train_loss"},
            "scaling": {"num_workers": WORKERS, "servers_per_node": servers},
        }
    )


def gemms() -> Callable[[], None]:
    """The eight matrix products of a step on one worker's rows, into buffers that exist."""
    rows = BATCH // WORKERS
    generator = np.random.default_rng(0)
    values = [generator.normal(size=(rows, size)).astype(np.float32) for size in SIZES]
    weights = [generator.normal(size=pair).astype(np.float32) for pair in pairwise(SIZES)]
    outputs = [np.empty_like(value) for value in values]
    gradients = [np.empty_like(weight) for weight in weights]

    def step() -> None:
        for layer, weight in enumerate(weights):
            np.matmul(values[layer], weight, out=outputs[layer + 1])
        for layer in reversed(range(len(weights))):
            np.matmul(values[layer].T, values[layer + 1], out=gradients[layer])
            if layer:
                np.matmul(values[layer + 1], weights[layer].T, out=outputs[layer])

    return step


def timed(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def repeat(step: Callable[[], None], steps: int) -> Callable[[], None]:
    def run() -> None:
        for _ in range(steps):
            step()

    return run


def measure(job: Job, blocks: int, steps: int) -> dict[str, list[float]]:
    """Samples per second of each contender in each block."""
    plan = RunPlan(job.config, job.prepared.directory, job.total_steps, secrets.token_bytes(32))
    alone = ThreadRuntime(plan, job.metrics)
    alone.start(job.initial)
    limit_threads(1)
    worker = alone.member(alone.workers[0])
    rates: dict[str, list[float]] = {"workers": [], "alone": [], "gemms": []}
    with (
        Warden() as warden,
        alone,
        RayRuntime(plan, job.metrics, Cluster("local", 4 * job.layout.nbytes, warden)) as runtime,
    ):
        runtime.start(job.initial)
        done = 0
        product = gemms()
        for block in range(-1, blocks):
            seconds = {
                "workers": timed(partial(runtime.train, done, done + steps, 1.0, 60.0)),
                "alone": timed(repeat(lambda: worker.compute(0, {}), steps)),
                "gemms": timed(repeat(product, steps)),
            }
            done += steps
            if block >= 0:  # the first one warms up
                rates["workers"].append(BATCH * steps / seconds["workers"])
                for name in ("alone", "gemms"):
                    rates[name].append(BATCH // WORKERS * steps / seconds[name])
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=7)
    parser.add_argument("--steps", type=int, default=200, help="steps in a block")
    parser.add_argument("--servers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        job = prepare_job(configuration(Path(folder), options.servers))
        rates = measure(job, options.blocks, options.steps)
    ratios = {
        "workers / (2 x alone)": [w / (WORKERS * a) for w, a in zip(rates["workers"], rates["alone"], strict=True)],
        "alone / gemms": [a / g for a, g in zip(rates["alone"], rates["gemms"], strict=True)],
    }
    print(
        f"{'-'.join(map(str, SIZES))}, global batch {BATCH}, momentum, {options.blocks} blocks of {options.steps} steps"
    )
    print(f"{'':38}{'median':>12}{'lowest':>12}{'highest':>12}")
    rows = {
        "2 workers, 2 servers (samples/s)".replace("2 servers", f"{options.servers} servers"): rates["workers"],
        "1 worker, no exchange (samples/s)": rates["alone"],
        "bare matrix products (samples/s)": rates["gemms"],
    }
    for name, values in rows.items():
        print(f"{name:38}{statistics.median(values):12,.0f}{min(values):12,.0f}{max(values):12,.0f}")
    for name, values in ratios.items():
        print(f"{name:38}{statistics.median(values):12.2f}{min(values):12.2f}{max(values):12.2f}")
    if options.json:
        options.json.write_text(json.dumps({"rates": rates, "ratios": ratios}, indent=2))


if __name__ == "__main__":
    main()
