"""Runs a training or sweep command and, where it dies, runs it again from where it was.

`python -m dist_bp.submit.attempts N COMMAND...` on the cluster: N attempts after the first, the MLflow run stays the
same. The command says which run it trains in the file that DIST_BP_RUN_FILE names, and reads there which it was before.
A failure that comes again, of the same cause and no step further, would come a third time: there is no further attempt.
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
from dist_bp.messages import plural
from dist_bp.runtime.ray_job import RUN_FILE, failure_file
from dist_bp.submit.ending import Ending, ending_of, how
from dist_bp.sweep.journal import JOURNAL

FINAL = (0, UserError.exit_code, Interrupted.exit_code)
"""Codes after which there is no other attempt: it is done, the input is wrong, or somebody wanted it to end."""


class Attempts:
    """A parent of one command at a time; SIGTERM reaches the command by itself, as Ray sends it to all of a job."""

    def __init__(self, command: Sequence[str], retries: int) -> None:
        self._command = list(command)
        self._most = retries + 1
        self._stopped = False

    def run(self) -> int:
        """The exit code of the last attempt; 1 where a signal ended it."""
        signal.signal(signal.SIGTERM, self._stop)
        with tempfile.TemporaryDirectory() as folder:
            code = self._run_all(Path(folder) / "run.json")
        if code < 0:
            print(f"error: {how(code)}", file=sys.stderr, flush=True)
        return code if code >= 0 else 1

    def _run_all(self, told: Path) -> int:
        resume: list[str] = []
        endings: list[Ending] = []
        while True:
            code = self._run_once([*self._command, *resume], told)
            if code in FINAL or self._stopped:
                return code
            endings.append(ending_of(code, told))
            if why := why_not(endings, self._most):
                for number, ending in enumerate(endings, start=1):
                    _tell(f"attempt {number} of {self._most}: {ending}")
                _tell(f"not tried again: {why}")
                return code
            resume = resume_options(told)
            how_on = f"goes on with {resume[1]}" if resume else "begins anew: there is no checkpoint yet"
            _tell(f"{how(code)}; attempt {len(endings) + 1} of {self._most} {how_on}")

    def _run_once(self, command: list[str], told: Path) -> int:
        failure_file(told).unlink(missing_ok=True)
        child = subprocess.Popen(command, env={**os.environ, RUN_FILE: str(told)})
        if self._stopped:  # the signal came before the child was there to receive it
            child.terminate()
        return child.wait()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopped = True


def why_not(endings: Sequence[Ending], most: int) -> str:
    """Why attempts that ended so are not followed by another; empty where they are. `most` is how many there may be."""
    if len(endings) > 1 and endings[-1].repeats(endings[-2]):
        return "the same failure twice at the same place would come a third time: mend its cause first"
    return f"{plural(most, 'attempt')} are over" if len(endings) >= most else ""


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


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(Attempts(sys.argv[2:], int(sys.argv[1])).run())
