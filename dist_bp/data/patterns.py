"""Regular expressions of a configuration, matched with a limit on the time.

Some take twice as long for each character more, such as (a+)+, and those of Python have no limit: a process of its own
has one.
"""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic

from dist_bp.data import pattern_worker
from dist_bp.errors import DataError, OptionError
from dist_bp.media.talk import Ended, Talk

SECONDS = 10.0
"""For so many texts as are matched at a time."""
SPARE_SECONDS = 20.0
"""In which the process starts, and after which it is not listened to any more though the system has not ended it."""
AT_A_TIME = 256
SHOWN = 60

LABEL_AND_TEXT = r"(?P<label>\S+)\s+(?P<text>.*)"
"""Needs no process: each character can be matched in one way alone."""

Groups = dict[str, str]
"""What the named groups hold, of those that are there."""


def named_groups(option: str, pattern: str) -> list[str]:
    """The named groups of a regular expression; raises OptionError where it is none."""
    try:
        return list(re.compile(pattern).groupindex)
    except (re.error, RecursionError, OverflowError) as error:
        raise OptionError(option, f"is no regular expression: {error}") from error


def matched(option: str, pattern: str, texts: Sequence[str], where: Callable[[int], str]) -> list[Groups | None]:
    """What a regular expression, the value of `option`, makes of each text as a whole; None: it does not fit.

    Raises DataError, with the place of the text by `where`, for one at which it takes too long.
    """
    if pattern == LABEL_AND_TEXT:
        return [one and one.groupdict() for one in map(re.compile(pattern).fullmatch, texts)]
    found: list[Groups | None] = []
    if not texts:
        return found
    with _process() as process:
        talk = Talk(process)
        try:
            _ask(talk, pattern)
            for start in range(0, len(texts), AT_A_TIME):
                some = texts[start : start + AT_A_TIME]
                until = _ask(talk, some)
                for text in some:
                    spans = json.loads(talk.line(until))
                    found.append(spans and {name: text[a:b] for name, (a, b) in spans.items() if a >= 0})
        except (OSError, Ended) as error:  # a TimeoutError, too
            text, late = texts[len(found)], isinstance(error, TimeoutError) or _was_late(process)
            what = f"takes more than {SECONDS:g} s" if late else "ended the process that matches it"
            shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
            raise DataError(
                f"{where(len(found))}: {option} {what} at {shown!r}: make it simpler, such as a+ in place of (a+)+"
            ) from error
    return found


def _ask(talk: Talk, value: str | Sequence[str]) -> float:
    """Sends it, and returns when the answer must be there."""
    until = monotonic() + SECONDS + SPARE_SECONDS
    talk.send(json.dumps(value).encode() + b"\n", until)
    return until


@contextmanager
def _process() -> Iterator["subprocess.Popen[bytes]"]:
    command = (sys.executable, "-I", "-S", str(Path(pattern_worker.__file__)), str(SECONDS))
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C is for the command
        )
    except OSError as error:
        raise DataError(f"a process that matches regular expressions cannot start: {error.strerror}") from error
    with process:
        try:
            yield process
        finally:
            process.kill()


def _was_late(process: "subprocess.Popen[bytes]") -> bool:
    with suppress(subprocess.TimeoutExpired):
        return process.wait(SPARE_SECONDS) == -signal.SIGALRM
    return True
