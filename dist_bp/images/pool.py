"""Many image files, decoded by processes of this machine: pixels come back in the order of the files."""

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from threading import Timer
from typing import Any

import numpy as np

from dist_bp.errors import DataError
from dist_bp.images.decoder import Decoder
from dist_bp.images.opening import Item, Unreadable
from dist_bp.types import Array

ALONE_SECONDS = 0.5
"""What takes no longer is done by this process."""
FILES = 32
"""At a time, at most."""
BLOCK_BYTES = 2**24
"""Pixels of the files at a time, about: processes have several blocks ready."""
SECONDS = 600.0
"""In which a process decodes those."""
MODULE = "dist_bp.images.worker"

Decoded = Array | DataError
"""Of a file: its pixels (height, width, channels), or what is wrong with it."""
Progress = Callable[[int, int], None]
"""Hears how many files are done, and of how many."""


def decode_files(
    decoder: Decoder, paths: Sequence[str], progress: Progress | None = None, processes: int | None = None
) -> Generator[list[Decoded]]:
    """The files, some at a time and in their order; by `processes` processes (by default one a processor) once it
    takes longer. They end with the iterator. Raises DataError where one of them ends by itself.

    The first are decoded by this process, and others are held to be as large.
    """
    done, size, began = 0, 0, time.monotonic()
    processes = len(os.sched_getaffinity(0)) if processes is None else processes
    while done < len(paths) and (not size or processes == 0 or time.monotonic() - began < ALONE_SECONDS):
        some = [decoded(decoder, path) for path in paths[done : done + size]] if size else _first(decoder, paths)
        size = size or max(1, min(FILES, BLOCK_BYTES // max(map(_bytes, some))))
        yield some
        done += len(some)
        if progress:
            progress(done, len(paths))
    if done == len(paths):
        return
    with _Pool(decoder, processes) as pool:
        for some in pool.decode(paths[done:], size):
            yield some
            done += len(some)
            if progress:
                progress(done, len(paths))


def _first(decoder: Decoder, paths: Sequence[str]) -> list[Decoded]:
    """As many of the first files as are enough at a time."""
    found: list[Decoded] = []
    for path in paths[:FILES]:
        found.append(decoded(decoder, path))
        if sum(map(_bytes, found)) >= BLOCK_BYTES:
            break
    return found


def _bytes(one: Decoded) -> int:
    return 1 if isinstance(one, DataError) else one.nbytes


def decoded(decoder: Decoder, item: Item, name: str = "") -> Decoded:
    try:
        return decoder.pixels(item, name)
    except DataError as error:
        return error


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

    def decode(self, paths: Sequence[str], size: int) -> Iterator[list[Decoded]]:
        """The files, `size` at a time."""
        ahead: deque[Future[list[Decoded]]] = deque()
        for start in range(0, len(paths), size):
            ahead.append(self._threads.submit(self._some, paths[start : start + size]))
            if len(ahead) > 2 * len(self._workers):
                yield ahead.popleft().result(3 * SECONDS)
        while ahead:
            yield ahead.popleft().result(3 * SECONDS)

    def _some(self, paths: Sequence[str]) -> list[Decoded]:
        if not self._workers:  # there was no room for another process
            return [decoded(self._decoder, path) for path in paths]
        worker = self._free.get_nowait()  # there are no more threads than workers
        try:
            return worker.decode(paths)
        finally:
            self._free.put(worker)


class _Worker:
    """One process, see `dist_bp.images.worker`."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    @classmethod
    def start(cls, decoder: Decoder) -> "_Worker | None":
        """None where there is no room for another process."""
        try:
            process = subprocess.Popen(
                (sys.executable, "-P", "-m", MODULE, json.dumps(decoder.to_list())),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the command
            )
        except OSError:
            return None
        return cls(process)

    def decode(self, paths: Sequence[str]) -> list[Decoded]:
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
                found.append(_problem(**one) if isinstance(one, dict) else _pixels(answer, one))
            return found
        except ValueError as error:
            few = f"{paths[0]!r} to {paths[-1]!r}"
            raise DataError(f"the process that decodes images ended at one of the files {few}") from error
        finally:
            patience.cancel()

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with suppress(OSError):  # what it was asked and has not read
                    stream.close()


def _problem(text: str, unreadable: bool) -> DataError:
    return Unreadable(text) if unreadable else DataError(text)


def _pixels(stream: Any, shape: Sequence[int]) -> Array:
    array = np.empty(shape, np.uint8)
    if stream.readinto(array.reshape(-1).data) < array.size:
        raise ValueError("the answer is not complete")
    return array
