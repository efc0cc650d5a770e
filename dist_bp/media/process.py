"""A process of this machine that decodes, seen from the one that started it; see `dist_bp.media.worker`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from tempfile import TemporaryFile
from time import monotonic
from typing import IO, Any

import numpy as np

from dist_bp.errors import DataError, DistBpError, TrainingFailed
from dist_bp.media.crew import SECONDS, Decoded, Items, some_of
from dist_bp.media.decoder import Decoder, Unlike, Unreadable, written
from dist_bp.media.talk import Ended, Talk
from dist_bp.media.worker import READY
from dist_bp.messages import last_line
from dist_bp.types import Shape

MODULE = "dist_bp.media.worker"
END_SECONDS = 5.0
"""In which processes have ended that answer no more."""
LAST_BYTES = 4096
"""Of its standard error, in which the last line is looked for."""


class Process:
    """Decodes files in the order in which it is asked for them."""

    def __init__(self, process: "subprocess.Popen[bytes]", said: IO[bytes], decoder: Decoder) -> None:
        self._process, self._said, self._decoder = process, said, decoder
        self._talk = Talk(process)
        self._ready = self._late = False

    @classmethod
    def start(cls, decoder: Decoder, shape: Shape | None) -> "Process | None":
        """None where there is no room for another process."""
        said = None
        try:
            said = TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
            process = subprocess.Popen(
                (sys.executable, "-P", "-m", MODULE, written(decoder), json.dumps(shape)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                bufsize=0,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the command
            )
        except OSError:
            if said:
                said.close()
            return None
        return cls(process, said, decoder)

    def ask(self, paths: Items) -> None:
        """For these files, before or after it has answered for others."""
        with suppress(OSError, Ended):  # it does not answer
            self._talk.send(json.dumps(list(paths)).encode() + b"\n", monotonic() + SECONDS)

    def answers(self, paths: Items) -> Iterator[list[Decoded]]:
        """A block at a time, for the files that it was asked for first.

        Raises DataError where the process ends before it has answered, TrainingFailed where it never could.
        """
        left = len(paths)
        while left:
            found = self._answer(paths[-left:])
            left -= len(found)
            yield found
            del found  # they may be large

    def _answer(self, paths: Items) -> list[Decoded]:
        until = monotonic() + SECONDS
        try:
            self._ready = self._ready or self._talk.line(until) == READY
            if not self._ready:
                raise ValueError("it did not start")
            found: list[Decoded] = []
            for one in json.loads(self._talk.line(until)):
                found.append(_problem(**one) if "text" in one else self._made(one, until))
            if not 0 < len(found) <= len(paths):
                raise ValueError("the answer is for other files")
            return found
        except TimeoutError as error:
            self._late = True
            self.stop()
            raise self._ended(paths) from error
        except ValueError as error:
            raise self._ended(paths) from error

    def stop(self) -> None:
        """Ends it, whatever it is doing, and whoever waits for it no longer does."""
        self._talk.stop()
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self, until: float | None = None) -> None:
        """Stops it and waits for its end, until then at most; nobody may be waiting for an answer."""
        self.stop()
        with suppress(subprocess.TimeoutExpired):  # it waits for a disk that does not answer, and ends when that does
            self._process.wait(END_SECONDS if until is None else max(0.0, until - monotonic()))
        for stream in (self._process.stdin, self._process.stdout, self._said):
            if stream:
                with suppress(OSError):
                    stream.close()

    def _made(self, head: Mapping[str, Any], until: float) -> Decoded:
        if "dtype" not in head:
            return Unlike(tuple(head["shape"]))
        array = np.empty(head["shape"], head["dtype"])
        self._talk.fill(array.reshape(-1).view(np.uint8).data, until)
        return self._decoder.unpacked(array, head["facts"])

    def _ended(self, paths: Items) -> DistBpError:
        reason = self._reason()
        if not self._ready:
            return TrainingFailed(f"a process that decodes {self._decoder.many} cannot start: {reason}")
        return DataError(f"the process that decodes {self._decoder.many} ended at {some_of(paths)}: {reason}")

    def _reason(self) -> str:
        """Why the process ended, which answers no more."""
        try:
            code = self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return "its answer makes no sense"
        if self._late:
            return f"it took more than {SECONDS:.0f} s"
        if code == -signal.SIGKILL:
            return "it was killed, as by a system whose memory is too small"
        self._said.seek(max(0, self._said.seek(0, os.SEEK_END) - LAST_BYTES))
        line = last_line(self._said.read().decode(errors="replace"))
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return f"{line} ({how})" if line else how


def _problem(text: str, unreadable: bool) -> DataError:
    return Unreadable(text) if unreadable else DataError(text)
