"""Where a step's time and memory go: `python -m benchmarks.parts [--work W,...] [--steps N] [--results DIR]`.

A worker's computing is cut by what NumPy and SciPy are called for, in one process alone: matrix products, sparse ones,
copies, and the rest; and, in turns of their own, by layers. How long workers compute, push and wait is what they report
of a lease on Ray. Memory is that of a process during steps above what it had before them: parameters, gradients, and
all that a step works in.
"""

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.__main__ import several
from benchmarks.machine import describe_machine, in_words
from benchmarks.measures import WORKERS, groups
from benchmarks.processes import BenchmarkError, Group
from benchmarks.report import RESULTS, markdown
from benchmarks.works import WORKS, Work, write_inputs

WARM_STEPS = 8
TURNS = 3
CUTS = ("parts", "layers")
LEASE = ("computing", "pushing", "waiting")
MEMORY = {
    "unsynchronised": "dist_bp, each worker",
    "ddp": "PyTorch DDP, each process",
    "ddp_malloc": "the same, malloc thresholds raised",
    "torch": "PyTorch, 1 process",
    "torch_malloc": "the same, malloc thresholds raised",
}


def computing(work: Work, folder: Path, steps: int) -> dict[str, dict[str, float]]:
    """Milliseconds of a worker's step, alone on the machine: the median of some turns, cut in two ways."""
    arguments, found = {"work": work, "folder": folder}, {}
    with Group("benchmarks.contenders.in_parts:InParts", WORKERS, 1, arguments) as group:
        for cut in CUTS:
            turns = [group.ask(cut, 0, steps, members=(0,))[0] for _ in range(1 + TURNS)][1:]
            found[cut] = {part: 1e3 * median(turn[part] for turn in turns) / steps for part in turns[0]}
    return found


def lease(work: Work, folder: Path, steps: int) -> dict[str, float]:
    """Milliseconds of a step of two workers on Ray, the mean of both and the median of some leases."""
    spec = groups(1, example=False)["ray"]
    with Group(spec.factory, 1, 1, {"work": work, "folder": folder, **spec.arguments}) as group:
        turns = [group.ask("worker_seconds", steps)[0] for _ in range(1 + TURNS)][1:]
    seconds = np.median([turn.mean(axis=0) for turn in turns], axis=0)
    return {part: 1e3 * float(spent) / steps for part, spent in zip(LEASE, seconds, strict=True)}


def memory(work: Work, folder: Path) -> dict[str, float]:
    """MiB of the largest process of each contender that is installed."""
    specs = groups(1, example=False)
    specs["unsynchronised"] = replace(specs["unsynchronised"], arguments={"warm": 0})
    found = {}
    for name in MEMORY:
        spec = specs[name]
        if any(find_spec(module) is None for module in spec.needs):
            continue
        arguments = {"work": work, "folder": folder, **spec.arguments}
        with Group(spec.factory, spec.size, spec.threads, arguments, spec.variables) as group:
            group.ask("mark")
            group.ask("run", 0, WARM_STEPS)
            found[name] = max(group.ask("grown")) / 2**20
    return found


def measure(work: Work, steps: int) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(work, folder)
        return {
            **{f"{cut}_ms": found for cut, found in computing(work, folder, steps).items()},
            "lease_ms": lease(work, folder, steps),
            "memory_mib": memory(work, folder),
        }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parts")
    parser.add_argument("--work", type=several(WORKS), default=["cnn", "resnet"], help=f"some of {','.join(WORKS)}")
    parser.add_argument("--steps", type=int, default=20, help="of each turn")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON")
    options = parser.parse_args()
    try:
        results = {WORKS[key].title: measure(WORKS[key], options.steps) for key in options.work}
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
    rows = [("work (global batch)", "", "ms a step, or MiB")]
    for title, parts in results.items():
        for part, value in {**parts["parts_ms"], **parts["layers_ms"], **parts["lease_ms"]}.items():
            rows.append((title, part, f"{value:.1f} ms"))
            title = ""
        rows += [("", f"memory: {MEMORY[name]}", f"{value:.0f} MiB") for name, value in parts["memory_mib"].items()]
    machine = describe_machine()
    print(markdown(rows))
    print(f"\n{in_words(machine)}.")
    options.results.mkdir(parents=True, exist_ok=True)
    told = {"machine": machine, "steps": options.steps, "works": results}
    (options.results / "parts.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
