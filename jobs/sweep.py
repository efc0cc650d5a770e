"""Sweep from Python, as the entry point of a job: `python jobs/sweep.py CONFIG [KEY=VALUE]...`."""

import json
import sys

from dist_bp.cli.sweep_display import watch_sweep
from dist_bp.config import load_config
from dist_bp.errors import DistBpError
from dist_bp.sweep.run import check_sweep, run_sweep


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: python jobs/sweep.py CONFIG [KEY=VALUE]...", file=sys.stderr)
        return 2
    try:
        config = load_config(sys.argv[1], sys.argv[2:])
        with watch_sweep(config, check_sweep(config).total, False, sys.stdout) as (watcher, observer):
            result = run_sweep(config, watcher=watcher, observer=observer)
    except DistBpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(result.as_dict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
