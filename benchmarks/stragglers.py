"""What a straggler costs in each mode of consistency: `python -m benchmarks.stragglers [--rounds N] [--steps N]`.

One of four workers sleeps 200 ms at 10 % of its steps, or each of the four at 2.5 %; every mode also runs with nobody
late. In every round each mode has its turns, the order alternates, and the first round warms up. A turn begins at the
initial parameters. Turns that need not wait for a straggler have more steps, so that the wait at their end counts
little; losses are compared at the same number of samples.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.comparison import PAUSE_SECONDS
from benchmarks.dist_bp_runs import RayRun, local_ray
from benchmarks.lateness import FRACTION, PATTERNS, SECONDS, WORKERS, Pattern, late_calls
from benchmarks.machine import describe_machine, in_words
from benchmarks.report import RESULTS
from benchmarks.stragglers_plot import plot
from benchmarks.stragglers_report import Outcome, table
from benchmarks.works import DATA, SEED, Array, Work, write_inputs

WORK = Work("stragglers", (256, 256, 256, 10), 256)
MODES: dict[str, dict[str, Any]] = {
    "sync": {},
    "backup": {"mode": "backup", "backup_workers": 1},
    "ssp": {"mode": "ssp", "max_staleness": 3},
    "async": {"mode": "async"},
    "local": {"mode": "local", "local_steps": 8},
}
WITHOUT_WAITING = ("backup", "async")
LONGER = 4
"""How many times the steps of the other turns those modes' turns have, and those with nobody late."""
OBJECT_STORE = 256 * 2**20


def write_learnable(work: Work, folder: Path) -> None:
    """The work's samples with classes that a random linear map tells, for losses of random ones show little."""
    write_inputs(work, folder)
    with np.load(folder / DATA) as data:
        x = data["x"]
    teacher = np.random.default_rng(SEED + 1).normal(size=(work.sizes[0], work.sizes[-1]))
    np.savez(folder / DATA, x=x, y=(x @ teacher).argmax(axis=1))


def last_tenth(losses: Array, counts: Array, samples: int) -> float:
    """The mean loss over the last tenth of the first `samples` samples that counted."""
    seen = counts.cumsum()
    chosen = (seen > 0.9 * samples) & (seen <= samples)
    return float(losses[chosen].sum() / counts[chosen].sum())


def steps_of(mode: str, pattern: Pattern, steps: int) -> int:
    return steps * (LONGER if mode in WITHOUT_WAITING or pattern == "none" else 1)


def take_turn(run: RayRun, mode: str, pattern: Pattern, steps: int, outcome: Outcome) -> None:
    made = steps_of(mode, pattern, steps)
    run.restart()
    # Free workers compute more often than there are steps, at the most for all the others.
    run.straggle(late_calls(pattern, made * WORKERS), SECONDS)
    time.sleep(PAUSE_SECONDS)
    started = time.perf_counter()
    report = run.lease(made)
    seconds = time.perf_counter() - started
    outcome.add(
        mode,
        pattern,
        samples_per_second=float(report.counts.sum() / seconds),
        loss=last_tenth(report.losses, report.counts, steps * WORK.batch),
        dropped=float(report.dropped),
        staleness=float(report.staleness),
    )


def measure(rounds: int, steps: int) -> Outcome:
    turns = [(mode, pattern) for pattern in PATTERNS for mode in MODES]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        write_learnable(WORK, folder)
        stack.enter_context(local_ray(WORKERS * len(MODES), OBJECT_STORE))
        runs = {
            mode: stack.enter_context(closing(RayRun(WORK, folder, WORKERS, 1, parameter_server=settings)))
            for mode, settings in MODES.items()
        }
        outcome = Outcome(tuple(MODES))
        for number in range(rounds + 1):
            if number == 1:
                outcome = Outcome(tuple(MODES))
            for mode, pattern in turns if number % 2 else reversed(turns):
                take_turn(runs[mode], mode, pattern, steps, outcome)
            print(f"round {number} of {rounds}{'' if number else ', which warms up'}", flush=True)
    return outcome


def write(outcome: Outcome, machine: dict[str, str], steps: int, results: Path) -> None:
    results.mkdir(parents=True, exist_ok=True)
    figures = {
        "machine": machine,
        "work": WORK.title,
        "workers": WORKERS,
        "steps": {pattern: {mode: steps_of(mode, pattern, steps) for mode in MODES} for pattern in PATTERNS},
        "late": {"seconds": SECONDS, "fraction": FRACTION},
        "modes": MODES,
        "turns": outcome.turns,
    }
    (results / "stragglers.json").write_text(json.dumps(figures, indent=1) + "\n")
    plot(outcome, f"{WORK.title}, {WORKERS} workers on {machine['cpus']} CPUs", results / "stragglers.png")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stragglers")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--steps", type=int, default=80, help="steps of a turn that waits for a straggler")
    parser.add_argument("--results", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.steps < 10:
        parser.error("at least 1 round, and 10 steps")
    outcome = measure(options.rounds, options.steps)
    machine = describe_machine()
    print(f"{WORK.title}, {WORKERS} workers, 1 server; {SECONDS:.1f} s late at {FRACTION:.0%} of the steps")
    print(f"{options.rounds} rounds; {options.steps} steps a turn, {LONGER} times that where it need not wait")
    print(table(outcome))
    print(in_words(machine))
    write(outcome, machine, options.steps, options.results)


if __name__ == "__main__":
    main()
