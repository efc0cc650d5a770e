"""A crew of processes of this machine."""

import json
import os
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Timer
from typing import Any

import numpy as np

from dist_bp.control_group import local_cpus
from dist_bp.errors import DataError
from dist_bp.media.crew import BLOCKS, SECONDS, Decoded, Items, decoded, in_order, some_of
from dist_bp.media.decoder import Decoder, Unreadable, written

MODULE = "dist_bp.media.worker"


@dataclass(frozen=True)
class Processes:
    """So many, None: one a processor. Raises DataError where one of them ends by itself."""

    count: int | None = None

    def __call__(self, decoder: Decoder, paths: Items, size: int) -> Generator[list[Decoded]]:
        with _Pool(decoder, local_cpus() if self.count is None else self.count) as pool:
            yield from pool.decode(paths, size)


class _Pool:
    """Processes, and a thread for each that waits for it; at exit they end, whatever they are doing."""

    def __init__(self, decoder: Decoder, processes: int) -> None:
        self._decoder = decoder
        self._workers = [one for one in (_Worker.start(decoder) for _ in range(processes)) if one]
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        for one in self._workers:
            self._free.put(one)
        self._threads = ThreadPoolExecutor(max(1, len(self._workers)), "decoding")

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: Any) -> None:
        for one in self._workers:
            one.end()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def decode(self, paths: Items, size: int) -> Iterator[list[Decoded]]:
        """The files, `size` at a time."""
        begun = (self._threads.submit(self._some, paths[start : start + size]) for start in range(0, len(paths), size))
        yield from in_order(begun, BLOCKS * max(1, len(self._workers)) + 1, self._result)

    def _result(self, future: Future[list[Decoded]]) -> list[Decoded]:
        return future.result(BLOCKS * SECONDS + SECONDS)

    def _some(self, paths: Items) -> list[Decoded]:
        if not self._workers:  # there was no room for another process
            return [decoded(self._decoder, path) for path in paths]
        worker = self._free.get_nowait()  # there are no more threads than workers
        try:
            return worker.decode(paths)
        finally:
            self._free.put(worker)


class _Worker:
    """One process, see `dist_bp.media.worker`."""

    def __init__(self, process: "subprocess.Popen[bytes]", decoder: Decoder) -> None:
        self._process, self._decoder = process, decoder

    @classmethod
    def start(cls, decoder: Decoder) -> "_Worker | None":
        """None where there is no room for another process."""
        try:
            process = subprocess.Popen(
                (sys.executable, "-P", "-m", MODULE, written(decoder)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the command
            )
        except OSError:
            return None
        return cls(process, decoder)

    def decode(self, paths: Items) -> list[Decoded]:
        """Raises DataError where the process ends before it has answered."""
        asked, answer = self._process.stdin, self._process.stdout
        assert asked
        assert answer
        patience = Timer(SECONDS, self._process.kill)
        patience.daemon = True
        patience.start()
        try:
            with suppress(OSError):  # it has ended, and so does not answer
                asked.write(json.dumps(list(paths)).encode() + b"\n")
                asked.flush()
            found: list[Decoded] = []
            for one in json.loads(answer.readline()):
                found.append(_problem(**one) if "text" in one else self._made(answer, one))
            return found
        except ValueError as error:
            raise DataError(f"the process that decodes {self._decoder.many} ended at {some_of(paths)}") from error
        finally:
            patience.cancel()

    def _made(self, stream: Any, head: Mapping[str, Any]) -> Decoded:
        array = np.empty(head["shape"], head["dtype"])
        if stream.readinto(array.reshape(-1).view(np.uint8).data) < array.nbytes:
            raise ValueError("the answer is not complete")
        return self._decoder.unpacked(array, head["facts"])

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with suppress(OSError):  # what it was asked and has not read
                    stream.close()


def _problem(text: str, unreadable: bool) -> DataError:
    return Unreadable(text) if unreadable else DataError(text)
