"""How an attempt of a job ended, and whether it ended as the one before it: then the next one would, too."""

import json
import re
import signal
from dataclasses import dataclass
from pathlib import Path

from dist_bp.checkpoint import CHECKPOINTS, CheckpointStore
from dist_bp.errors import UserError
from dist_bp.messages import plural
from dist_bp.runtime.ray_job import failure_file
from dist_bp.sweep.journal import JOURNAL, Journal

OWN_SIGNALS = (signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGTRAP)
"""Those that a process brings upon itself; another one comes from elsewhere, and may not come again."""

VARIES = re.compile(
    r"""
      \b0x[0-9a-f]+                                                           # an address in memory
    | \b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b                           # a UUID
    | \b(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])[0-9a-f]{8,}\b                    # an id, of a run or of Ray's
    | \b\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d)?([.,]\d+)?)?                     # a date
    | \b\d\d:\d\d:\d\d\b                                                      # a time
    | \b(pid|process)[ =:]+\d+                                                # a process
    | (?<=[\w\]]:)\d{4,5}\b                                                   # a port
    | \b\d[\d.,]*\ ?(ms|s|min|seconds?|minutes?)\b                            # how long something took
    | \b\d[\d.,]*\ ?([kMGT]i?B|bytes)\b                                       # how much memory or disk there was
    | (?<=/)(tmp|dist_bp-)\w+                                                 # a temporary folder
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What differs in a message that tells of the same cause once more."""


@dataclass(frozen=True)
class Ending:
    """How an attempt ended; `cause` is None where it did not say, `reached` empty where it has kept nothing."""

    code: int
    cause: str | None
    reached: str

    def __str__(self) -> str:
        return f"{self.cause or how(self.code)} ({self.reached or 'no checkpoint yet'})"

    def repeats(self, before: "Ending") -> bool:
        """Whether it is the same failure as `before`, at the same place."""
        if self.cause is None and -self.code not in OWN_SIGNALS:
            return False
        return self._likeness == before._likeness

    @property
    def _likeness(self) -> tuple[int, str, str]:
        return self.code, VARIES.sub("*", self.cause or ""), self.reached


def how(code: int) -> str:
    if code < 0:
        return f"the driver was killed by {signal.Signals(-code).name}"
    return f"the driver ended with code {code}"


def ending_of(code: int, told: Path) -> Ending:
    """Of an attempt that told of its run in the file `told`, and of its failure beside it, if it could."""
    return Ending(code, _cause(told), _reached(told))


def _cause(told: Path) -> str | None:
    try:
        return failure_file(told).read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return None


def _reached(told: Path) -> str:
    """How far what is kept of the run, or the sweep, had come."""
    try:
        folder = Path(json.loads(told.read_text(encoding="utf-8"))["folder"])
        if (folder / JOURNAL).exists():
            trials = Journal(folder).read().trials
            over, epochs = sum(trial.over for trial in trials), sum(trial.epochs for trial in trials)
            return f"{plural(over, 'trial')} over, {plural(epochs, 'epoch')} of all"
    except (OSError, ValueError, KeyError, UserError):
        return ""
    newest = CheckpointStore(folder / CHECKPOINTS).newest_manifest()
    return f"checkpoint of step {newest.step}" if newest else ""
