"""Trainings that are killed: each is a fork of this process, which has all large libraries imported already.

`python -m tests.cli.forked SECONDS... -- ARGUMENTS` runs `dist-bp train job.yaml ARGUMENTS` in the folder
`undisturbed`, and in `killed` once for each of the SECONDS, killed so long after its first checkpoint, and once to its
end.
"""

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import mlflow.store.model_registry.sqlalchemy_store
import mlflow.store.tracking.sqlalchemy_store  # noqa: F401
import sklearn.datasets  # noqa: F401

import dist_bp.runtime.threads
import dist_bp.track.figures
import dist_bp.track.mlflow_tracker
import dist_bp.train.job  # noqa: F401
from dist_bp.cli.main import main

LONGEST_SECONDS = 60.0


def forked(folder: str, arguments: Sequence[str]) -> int:
    """The process id of a training."""
    child = os.fork()
    if not child:
        try:
            os.chdir(folder)
            sys.argv = ["dist-bp"]
            main(["train", "job.yaml", *arguments])
        except SystemExit as ended:
            os._exit(int(ended.code or 0))
        os._exit(0)
    return child


def checkpoints() -> set[Path]:
    return set(Path("killed").glob("runs/*/checkpoints/step-*"))


def killed(seconds: float, arguments: Sequence[str]) -> None:
    before, child = checkpoints(), forked("killed", arguments)
    deadline = time.monotonic() + LONGEST_SECONDS
    while not checkpoints() - before and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL, "it came to its end before it was killed"


def ended(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    split = sys.argv.index("--")
    moments, given = map(float, sys.argv[1:split]), sys.argv[split + 1 :]
    undisturbed = forked("undisturbed", given)
    for moment in moments:
        killed(moment, given)
    assert ended(forked("killed", given)) == ended(undisturbed) == 0
