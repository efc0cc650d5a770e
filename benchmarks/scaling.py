"""What a step costs over 10k to 50M parameters and 1 to 8 workers, with memory: `python -m benchmarks.scaling`.

Every worker computes 32 rows a step, so the work grows with the workers; they share the processors that there are.
"""

import argparse
import json
import math
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import psutil

from benchmarks.dist_bp_runs import RayRun, local_ray
from benchmarks.machine import describe_machine, in_words
from benchmarks.report import RESULTS
from benchmarks.scaling_plot import linearity, plot
from benchmarks.works import Servers, Work, servers, write_inputs

PARAMETERS = (10_000, 100_000, 1_000_000, 10_000_000, 50_000_000)
WORKERS = (1, 2, 4, 8)
ROWS = 32
INPUTS, OUTPUTS = 256, 10
LEASES = 3
LEASE_SECONDS = 0.5
OBJECT_STORE = 2 * 2**30


@dataclass(frozen=True)
class Point:
    """Seconds of a step and of the update within it; bytes of the arena, which all share, and of each process's own
    (largest worker, largest server)."""

    parameters: int
    workers: int
    step: float
    update: float
    arena: int
    worker: int
    server: int


def work_of(parameters: int, workers: int) -> Work:
    """A net with two equal hidden layers and about that many parameters: h^2 + (inputs + outputs + 2) h + outputs."""
    linear = INPUTS + OUTPUTS + 2
    hidden = round((-linear + math.sqrt(linear**2 + 4 * (parameters - OUTPUTS))) / 2)
    return Work(f"{parameters}", (INPUTS, hidden, hidden, OUTPUTS), ROWS * workers)


def measure(work: Work, workers: int, servers: Servers) -> Point:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(work, folder)
        run = RayRun(work, folder, workers, servers)
        try:
            run.train(2)
            started = time.perf_counter()
            run.train(2)
            steps = max(2, min(2000, round(2 * LEASE_SECONDS / (time.perf_counter() - started))))
            taken, updates = [], []
            for _ in range(LEASES):
                started = time.perf_counter()
                updates.append(run.timed(steps)[1])
                taken.append((time.perf_counter() - started) / steps)
            memory = {peer: psutil.Process(pid).memory_full_info().uss for peer, pid in run.pids().items()}
        finally:
            run.close()
    largest = {
        role: max(size for peer, size in memory.items() if peer.startswith(role)) for role in ("worker", "server")
    }
    return Point(work.parameters, workers, median(taken), median(updates), run.arena_bytes, **largest)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scaling")
    parser.add_argument("--largest", type=int, default=max(PARAMETERS), help="leave out what has more parameters")
    parser.add_argument("--servers", type=servers, default="auto")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    points: list[Point] = []
    columns = ("step ms", "update ms", "arena MiB", "worker MiB", "server MiB")
    print(f"{'parameters':>12}{'workers':>9}" + "".join(f"{column:>12}" for column in columns))
    with local_ray(max(WORKERS), OBJECT_STORE):
        for parameters in (size for size in PARAMETERS if size <= options.largest):
            for workers in WORKERS:
                point = measure(work_of(parameters, workers), workers, options.servers)
                points.append(point)
                times = f"{1e3 * point.step:12.3f}{1e3 * point.update:12.3f}"
                sizes = f"{point.arena / 2**20:12.1f}{point.worker / 2**20:12.1f}{point.server / 2**20:12.1f}"
                print(f"{point.parameters:12,}{point.workers:9}{times}{sizes}", flush=True)
    fits = linearity(points)
    for what, value in fits.items():
        print(f"{what} {value:.2f}")
    machine = describe_machine()
    print(in_words(machine))
    options.results.mkdir(parents=True, exist_ok=True)
    figures = {"machine": machine, "servers": options.servers, "rows": ROWS, "linearity": fits}
    figures["points"] = [asdict(point) for point in points]
    (options.results / "scaling.json").write_text(json.dumps(figures, indent=1) + "\n")
    plot(points, options.results / "scaling.png")


if __name__ == "__main__":
    main()
