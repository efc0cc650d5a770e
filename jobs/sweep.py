"""Sweep from Python, as the entry point of a job: `python jobs/sweep.py CONFIG [KEY=VALUE]...`."""

import json
import sys
from collections.abc import Sequence

from dist_bp.config import load_config
from dist_bp.errors import DistBpError
from dist_bp.sweep.run import run_sweep
from dist_bp.sweep.trial import Trial


def watch(trials: Sequence[Trial]) -> None:
    """A line whenever something has changed: what a log wants, where a terminal has a table."""
    newest = max(trials, key=lambda trial: (not trial.over, trial.number))
    score = "" if newest.score is None else f" {newest.score:.4f} at epoch {newest.epochs}"
    over = sum(trial.over for trial in trials)
    print(f"{over} of {len(trials)} trials over; trial {newest.number} {newest.status}{score}", flush=True)


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: python jobs/sweep.py CONFIG [KEY=VALUE]...", file=sys.stderr)
        return 2
    try:
        result = run_sweep(load_config(sys.argv[1], sys.argv[2:]), watcher=watch)
    except DistBpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(result.as_dict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
