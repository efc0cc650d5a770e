"""Train from Python, as the entry point of a job: `python jobs/train.py CONFIG [KEY=VALUE]...`.

On a cluster: `ray job submit --working-dir . -- python jobs/train.py CONFIG`. Within a Ray job, `ray.address: local`
is the cluster that runs it.
"""

import json
import sys

from dist_bp.cli.display import watch
from dist_bp.config import load_config
from dist_bp.errors import DistBpError
from dist_bp.train.job import run_job


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: python jobs/train.py CONFIG [KEY=VALUE]...", file=sys.stderr)
        return 2
    try:
        config = load_config(sys.argv[1], sys.argv[2:])
        with watch(config, quiet=False, stream=sys.stderr) as observer:
            result = run_job(config, observer=observer)
    except DistBpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(result.as_dict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
