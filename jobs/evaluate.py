"""Measure a model from Python, as the entry point of a job: `python jobs/evaluate.py MODEL [SPLIT]`.

MODEL is a run's folder, a checkpoint, or the id of a run below runs/; the data is that of the job that trained it.
"""

import json
import sys
from pathlib import Path

from dist_bp.errors import CheckpointError, DistBpError
from dist_bp.serve import SavedModel, evaluate_split, find_model
from dist_bp.train.result import finite


def no_download(uri: str) -> Path:
    raise CheckpointError(f"{uri}: give a folder; `dist-bp evaluate` also takes MLflow's URIs")


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print("usage: python jobs/evaluate.py MODEL [SPLIT]", file=sys.stderr)
        return 2
    try:
        saved = SavedModel.load(find_model(sys.argv[1], Path("runs"), no_download))
        samples, scores = evaluate_split(saved, *sys.argv[2:])
    except DistBpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps({"step": saved.step, "samples": samples, "metrics": finite(scores)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
