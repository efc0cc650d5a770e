"""A crew of processes of this machine."""

from collections.abc import Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from time import monotonic
from typing import Any

from dist_bp.control_group import local_cpus
from dist_bp.errors import DataError
from dist_bp.media.crew import BLOCKS, SECONDS, Decoded, Items, decode_one, in_order
from dist_bp.media.decoder import Decoder
from dist_bp.media.process import END_SECONDS, Process
from dist_bp.types import Shape


@dataclass(frozen=True)
class Processes:
    """So many, None: one a processor.

    Raises DataError where one of them ends by itself, TrainingFailed where one cannot start.
    """

    count: int | None = None

    def __call__(self, decoder: Decoder, paths: Items, size: int, shape: Shape | None) -> Generator[list[Decoded]]:
        with _Pool(decoder, shape, local_cpus() if self.count is None else self.count) as pool:
            yield from pool.decode(paths, size)


class _Pool:
    """Processes, and a thread for each that waits for it; at exit they end, whatever they are doing."""

    def __init__(self, decoder: Decoder, shape: Shape | None, processes: int) -> None:
        self._decoder, self._shape = decoder, shape
        self._workers = [one for one in (Process.start(decoder, shape) for _ in range(processes)) if one]
        self._free: SimpleQueue[Process] = SimpleQueue()
        for one in self._workers:
            self._free.put(one)
        self._threads = ThreadPoolExecutor(max(1, len(self._workers)), "decoding")

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: Any) -> None:
        for one in self._workers:
            one.stop()
        self._threads.shutdown(wait=True, cancel_futures=True)
        until = monotonic() + END_SECONDS
        for one in self._workers:
            one.end(until)

    def decode(self, paths: Items, size: int) -> Iterator[list[Decoded]]:
        """The files, `size` at a time."""
        begun = (self._threads.submit(self._some, paths[start : start + size]) for start in range(0, len(paths), size))
        yield from in_order(begun, BLOCKS * max(1, len(self._workers)) + 1, self._result)

    def _result(self, future: Future[list[Decoded]]) -> list[Decoded]:
        try:
            return future.result(BLOCKS * SECONDS + SECONDS)
        except TimeoutError:
            raise DataError(f"the processes that decode {self._decoder.many} do not answer") from None

    def _some(self, paths: Items) -> list[Decoded]:
        if not self._workers:  # there was no room for another process
            return [decode_one(self._decoder, path, shape=self._shape) for path in paths]
        worker = self._free.get_nowait()  # there are no more threads than workers
        try:
            return worker.decode(paths)
        finally:
            self._free.put(worker)
