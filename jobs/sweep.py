"""Sweep from Python, as the entry point of a job: `python jobs/sweep.py CONFIG [KEY=VALUE]...`."""

import json
import sys

from dist_bp.cli.sweep_display import watch_sweep
from dist_bp.config import load_config
from dist_bp.errors import DistBpError
from dist_bp.sweep.checks import check_sweep
from dist_bp.sweep.job import SweepJob
from dist_bp.sweep.run import run_sweep


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: python jobs/sweep.py CONFIG [KEY=VALUE]...", file=sys.stderr)
        return 2
    try:
        job = SweepJob.of(load_config(sys.argv[1], sys.argv[2:]))
        with watch_sweep(job, check_sweep(job).total, False, sys.stdout) as (watcher, observer):
            result = run_sweep(job, watcher=watcher, observer=observer)
    except DistBpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(result.as_dict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
