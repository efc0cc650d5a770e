"""How long a sweep of short trials takes: `python -m benchmarks.sweep [--runs N] [--beside FOLDER]`.

The whole command, start and end included, again and again in one folder, after one that does not count. `--beside` is
the checkout of another version, which takes turns.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.comparison import spread
from benchmarks.machine import describe_machine, in_words
from benchmarks.report import RESULTS

GOAL_SECONDS = 20.0
ROOT = Path(__file__).parent.parent
SWEEP = "configs/digits_sweep.yaml"
DONE = re.compile(r"^sweep .*$", re.MULTILINE)


def timed(checkout: Path, folder: Path) -> tuple[float, str]:
    """Seconds of the command with the code and the configuration of a checkout, and what it says of its trials."""
    command = [sys.executable, "-m", "dist_bp", "sweep", str(checkout / SWEEP), "--name", f"sweep-{time.time_ns()}"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    started = time.perf_counter()
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - started
    (line,) = DONE.findall(ended.stdout)
    return seconds, line.partition(": ")[2]


def measure(checkouts: list[Path], runs: int) -> list[list[float]]:
    """Seconds of each run, by checkout."""
    found: list[list[float]] = [[] for _ in checkouts]
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name, str(place)) for place in range(len(checkouts))]
        for run in range(runs + 1):
            for place, (checkout, folder) in enumerate(zip(checkouts, folders, strict=True)):
                folder.mkdir(exist_ok=True)
                seconds, told = timed(checkout, folder)
                print(f"run {run} of {checkout}: {seconds:.1f} s; {told}", flush=True)
                if run:
                    found[place].append(seconds)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    seconds = measure([ROOT, *([options.beside.resolve()] if options.beside else [])], options.runs)
    names = ["this version", "the other"]
    for name, values in zip(names, seconds, strict=False):
        print(f"{name}: {spread(values, '.1f')} s")
    middle = median(seconds[0])
    outcome = "met" if middle <= GOAL_SECONDS else f"MISSED by {middle - GOAL_SECONDS:.1f} s"
    machine = describe_machine()
    print(f"goal <= {GOAL_SECONDS:g} s: {outcome}\n{in_words(machine)}")
    figures = {"machine": machine, "goal": GOAL_SECONDS, **dict(zip(names, seconds, strict=False))}
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "sweep.json").write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
