"""What tracking and a checkpoint every 100 steps cost: `python -m benchmarks.tracking_cost [--pairs N] [--steps N]`.

The same job runs with both and with neither, in pairs whose order alternates; the time is that between the first lease
and the end of training, start-up and evaluation left out. Both kinds end with one checkpoint.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.comparison import spread
from benchmarks.dist_bp_runs import configuration, run_whole_job
from benchmarks.machine import describe_machine, in_words
from benchmarks.report import RESULTS
from benchmarks.works import WORKS, Work, write_inputs

EVERY_STEPS = 100
SAMPLES = 32_768
GOAL = 0.03


def settings(work: Work, folder: Path, steps: int, tracked: bool) -> dict[str, Any]:
    base = configuration(work, folder, workers=2, servers="auto")
    base["train"]["stop"]["max_steps"] = steps
    base["checkpoint"] |= {"every_epochs": None, "every_steps": EVERY_STEPS if tracked else None}
    base["tracking"] = {"tracking_uri": f"sqlite:///{folder / 'mlflow.db'}", "log_model": False}
    return base


def measure(work: Work, pairs: int, steps: int) -> list[tuple[float, float]]:
    """Seconds with and without, of each pair."""
    found = []
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(work, folder, SAMPLES)
        os.chdir(folder)  # checkpoints and spools go there
        try:
            for pair in range(pairs):
                seconds: dict[bool, float] = {}
                for tracked in (True, False) if pair % 2 else (False, True):
                    seconds[tracked] = run_whole_job(settings(work, folder, steps, tracked), tracked)
                found.append((seconds[True], seconds[False]))
                print(f"pair {pair + 1}: {seconds[True]:.2f} s with, {seconds[False]:.2f} s without", flush=True)
        finally:
            os.chdir(before)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tracking_cost")
    parser.add_argument("--work", choices=WORKS, default="medium")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    work = WORKS[options.work]
    pairs = measure(work, options.pairs, options.steps)
    costs = [tracked / plain - 1 for tracked, plain in pairs]
    middle = median(costs)
    outcome = "met" if middle <= GOAL else f"MISSED by {middle - GOAL:.1%}"
    print(f"{work.title}: tracking and a checkpoint every {EVERY_STEPS} of {options.steps} steps cost")
    print(f"{spread(costs, '.1%')}; goal <= {GOAL:.0%}: {outcome}")
    machine = describe_machine()
    print(in_words(machine))
    figures = {"machine": machine, "work": work.title, "steps": options.steps, "goal": GOAL, "seconds": pairs}
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "tracking_cost.json").write_text(json.dumps(figures | {"costs": costs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
