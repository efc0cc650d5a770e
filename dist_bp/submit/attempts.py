"""Runs a training or sweep command and, where it dies, runs it again from where it was.

`python -m dist_bp.submit.attempts N COMMAND...` on the cluster: N attempts after the first, the MLflow run stays the
same. The command says which run it trains in the file that DIST_BP_RUN_FILE names, and reads there which it was before.
A failure that comes again, in the same words and no step further, would come a third time: there is no further attempt.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from dist_bp.checkpoint import CHECKPOINTS, CheckpointStore
from dist_bp.errors import Interrupted, UserError
from dist_bp.runtime.ray_job import RUN_FILE, failure_file
from dist_bp.sweep.journal import JOURNAL

FINAL = (0, UserError.exit_code, Interrupted.exit_code)


class Attempts:
    """A parent of one command at a time; SIGTERM reaches the command by itself, as Ray sends it to all of a job."""

    def __init__(self, command: Sequence[str], retries: int) -> None:
        self._command = list(command)
        self._retries = retries
        self._stopped = False

    def run(self) -> int:
        """The exit code of the last attempt; 1 where a signal ended it."""
        signal.signal(signal.SIGTERM, self._stop)
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder) / "run.json"
            resume: list[str] = []
            before = None
            for attempt in range(self._retries + 1):
                code = self._run_once([*self._command, *resume], told)
                if not goes_on(code, self._stopped, self._retries - attempt):
                    break
                resume = resume_options(told)
                failure = failure_of(told)
                if failure and failure == before:
                    print("the same failure at the same place as before: it is not tried again", flush=True)
                    break
                before = failure
                print(
                    f"{how(code)}; attempt {attempt + 2} of {self._retries + 1} "
                    + (f"goes on with {resume[1]}" if resume else "begins anew: there is no checkpoint yet"),
                    flush=True,
                )
        if code < 0:
            print(f"error: {how(code)}", file=sys.stderr, flush=True)
        return code if code >= 0 else 1

    def _run_once(self, command: list[str], told: Path) -> int:
        failure_file(told).unlink(missing_ok=True)
        child = subprocess.Popen(command, env={**os.environ, RUN_FILE: str(told)})
        if self._stopped:  # the signal came before the child was there to receive it
            child.terminate()
        return child.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True


def goes_on(code: int, stopped: bool, left: int) -> bool:
    """Whether another attempt is made after this exit code: not of wrong input, nor after an interrupt."""
    return code not in FINAL and not stopped and left > 0


def resume_options(told: Path) -> list[str]:
    """What makes the command go on: `--resume` with a run or a sweep; nothing where there is no checkpoint."""
    try:
        run = json.loads(told.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    if (Path(run["folder"]) / JOURNAL).exists():
        return ["--resume", Path(run["folder"]).name]
    newest = CheckpointStore(Path(run["folder"]) / CHECKPOINTS).newest_manifest()
    return ["--resume", run["run_id"]] if newest else []


def failure_of(told: Path) -> tuple[str, object] | None:
    """Why the command failed, and how far it had come; None where it did not say, as one that was killed cannot."""
    try:
        cause = failure_file(told).read_text(encoding="utf-8")
    except OSError:
        return None
    try:
        folder = Path(json.loads(told.read_text(encoding="utf-8"))["folder"])
    except (OSError, ValueError, KeyError):
        return cause, None
    if (folder / JOURNAL).exists():
        return cause, (folder / JOURNAL).read_bytes()
    newest = CheckpointStore(folder / CHECKPOINTS).newest_manifest()
    return cause, newest.step if newest else None


def how(code: int) -> str:
    if code < 0:
        return f"the driver was killed by {signal.Signals(-code).name}"
    return f"the driver ended with code {code}"


if __name__ == "__main__":
    sys.exit(Attempts(sys.argv[2:], int(sys.argv[1])).run())
