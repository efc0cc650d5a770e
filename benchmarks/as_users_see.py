"""What `dist-bp train` reports beside the loop of these benchmarks: `python -m benchmarks.as_users_see`.

The command trains the work on 51,200 rows from an .npz, recorded and with its checkpoints as people have them; the loop
makes as many steps of the same network, and nothing else. Both take turns, in pairs whose order alternates.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from benchmarks.comparison import PAUSE_SECONDS, spread
from benchmarks.dist_bp_runs import configuration
from benchmarks.machine import describe_machine, in_words
from benchmarks.measures import WORKERS, groups
from benchmarks.processes import BenchmarkError, Group
from benchmarks.report import RESULTS
from benchmarks.works import WORKS, Work, write_inputs

SAMPLES = 51_200
SECONDS = 600.0
GOAL = 0.95
WARM_STEPS = 20


def reported(folder: Path) -> float:
    """Samples per second that the command says it has trained on. Raises BenchmarkError."""
    command = [sys.executable, "-m", "dist_bp", "train", "job.yaml", "--json"]
    surroundings = os.environ | {"XDG_STATE_HOME": str(folder / "state")}
    done = subprocess.run(command, cwd=folder, env=surroundings, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command[1:])}: {done.stderr}")
    return float(json.loads(done.stdout.splitlines()[-1])["samples_per_second"])


def looped(loop: Group, work: Work, steps: int) -> float:
    """Samples per second of steps of the loop."""
    loop.ask("run", 0, WARM_STEPS)
    return work.batch * steps / loop.timed("run", 0, steps)


def job(work: Work, folder: Path, epochs: int) -> dict[str, Any]:
    settings = configuration(work, folder, WORKERS, "auto")
    settings["train"]["epochs"] = epochs
    settings["data"]["prepared"] = str(folder / "prepared")
    return settings


def measure(work: Work, blocks: int, epochs: int) -> list[tuple[float, float]]:
    """Samples per second of the command and of the loop, of each pair; the first one warms up."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        user, bench = Path(name) / "user", Path(name) / "bench"
        for folder, samples in ((user, SAMPLES), (bench, None)):
            folder.mkdir()
            write_inputs(work, folder, samples)
        (user / "job.yaml").write_text(yaml.safe_dump(job(work, user, epochs)))
        spec = groups("auto", example=False)["ray"]
        with Group(spec.factory, spec.size, spec.threads, {"work": work, "folder": bench, **spec.arguments}) as loop:
            for block in range(-1, blocks):
                rates: dict[str, float] = {}
                for who in ("train", "loop") if block % 2 else ("loop", "train"):
                    time.sleep(PAUSE_SECONDS)
                    steps = epochs * SAMPLES // work.batch
                    rates[who] = reported(user) if who == "train" else looped(loop, work, steps)
                if block >= 0:
                    found.append((rates["train"], rates["loop"]))
                    print(f"pair {block + 1}: {rates['train']:,.0f} and {rates['loop']:,.0f} samples/s", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.as_users_see")
    parser.add_argument(
        "--work", choices=[key for key, work in WORKS.items() if work.kind == "dense"], default="medium"
    )
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args()
    work = WORKS[options.work]
    try:
        pairs = measure(work, options.blocks, options.epochs)
    except BenchmarkError as error:
        sys.exit(f"error: {error}")
    parts = [train / loop for train, loop in pairs]
    outcome = "met" if median(parts) >= GOAL else f"MISSED by {GOAL - median(parts):.3f}"
    print(f"{work.title}: dist-bp train reports {spread([train for train, _ in pairs], ',.0f')} samples/s,")
    print(f"{spread(parts, '.3f')} of what the loop makes; goal >= {GOAL}: {outcome}")
    machine = describe_machine()
    print(in_words(machine))
    figures = {"machine": machine, "work": work.title, "epochs": options.epochs, "goal": GOAL}
    options.results.mkdir(parents=True, exist_ok=True)
    told = figures | {"samples_per_second": pairs, "of_the_loop": parts}
    (options.results / "as_users_see.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
