"""Train from Python, as the entry point of a job: `python jobs/train.py CONFIG [KEY=VALUE]...`."""

import json
import sys

from dist_bp.config import load_config
from dist_bp.errors import DistBpError
from dist_bp.train.job import run_job
from dist_bp.train.observer import Observer


class Lines(Observer):
    """A line an epoch: what a log wants, where a terminal has a progress display."""

    def epoch(self, epoch: int, values: dict[str, float]) -> None:
        print(f"epoch {epoch}:", ", ".join(f"{name} {value:.4f}" for name, value in values.items()), flush=True)

    def note(self, text: str) -> None:
        print(f"note: {text}", flush=True)


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: python jobs/train.py CONFIG [KEY=VALUE]...", file=sys.stderr)
        return 2
    try:
        result = run_job(load_config(sys.argv[1], sys.argv[2:]), observer=Lines())
    except DistBpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(result.as_dict()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
