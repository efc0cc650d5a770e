"""A crew of processes of this machine."""

from collections import deque
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import cycle
from time import monotonic
from typing import Any

from dist_bp.control_group import local_cpus
from dist_bp.media.crew import BLOCKS, Decoded, Items, decode_some
from dist_bp.media.decoder import Decoder
from dist_bp.media.process import END_SECONDS, Process
from dist_bp.types import Shape


@dataclass(frozen=True)
class Processes:
    """So many, None: one a processor. Each holds a block of what it has decoded, and no more before that is taken.

    Raises DataError where one of them ends by itself, TrainingFailed where one cannot start.
    """

    count: int | None = None

    def __call__(self, decoder: Decoder, paths: Items, size: int, shape: Shape | None) -> Generator[list[Decoded]]:
        with _Pool(decoder, shape, local_cpus() if self.count is None else self.count) as pool:
            yield from pool.decode(paths, size)


class _Pool:
    """Processes, which at exit end, whatever they are doing."""

    def __init__(self, decoder: Decoder, shape: Shape | None, processes: int) -> None:
        self._decoder, self._shape = decoder, shape
        self._workers = [one for one in (Process.start(decoder, shape) for _ in range(processes)) if one]

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: Any) -> None:
        for one in self._workers:
            one.stop()
        until = monotonic() + END_SECONDS
        for one in self._workers:
            one.end(until)

    def decode(self, paths: Items, size: int) -> Iterator[list[Decoded]]:
        """The files, at most `size` at a time."""
        if not self._workers:  # there was no room for another process
            yield from self._alone(paths, size)
            return
        asked: deque[tuple[Process, Items]] = deque()
        for start, worker in zip(range(0, len(paths), size), cycle(self._workers), strict=False):
            worker.ask(some := paths[start : start + size])
            asked.append((worker, some))
            if len(asked) == BLOCKS * len(self._workers):
                first, some = asked.popleft()
                yield from first.answers(some)
        for worker, some in asked:
            yield from worker.answers(some)

    def _alone(self, paths: Items, size: int) -> Iterator[list[Decoded]]:
        done = 0
        while done < len(paths):
            found = decode_some(self._decoder, paths[done : done + size], self._shape)
            done += len(found)
            yield found
