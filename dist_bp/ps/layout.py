"""Where everything lies in the arena, computed from the sizes alone: every process of a node derives the same."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

CACHE_LINE = 64
CHUNK = 32768


@dataclass(frozen=True)
class Region:
    """A named array inside the arena: byte offset, shape and dtype."""

    offset: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        return int(np.prod(self.shape)) * np.dtype(self.dtype).itemsize


@dataclass(frozen=True)
class ArenaLayout:
    """Regions of the arena of one node.

    `parameters` and `statistics` are element counts of the model's two flat vectors, `optimizer` names the
    optimizer's state arrays, each as long as the parameters. All that an update changes exists in two
    versions: version v lives in half v % 2, and an update reads one half and writes the other.
    """

    parameters: int
    statistics: int
    optimizer: tuple[str, ...]
    workers: int
    servers: int
    dtype: str

    @property
    def chunks(self) -> list[tuple[int, int]]:
        """Slices of the parameter vector, the same whatever the number of servers."""
        return [(start, min(start + CHUNK, self.parameters)) for start in range(0, self.parameters, CHUNK)]

    def owned_chunks(self, server: int) -> list[tuple[int, int, int]]:
        """(number, start, stop) of the contiguous chunks that `server` updates."""
        count = len(self.chunks)
        first, last = server * count // self.servers, (server + 1) * count // self.servers
        return [(number, *self.chunks[number]) for number in range(first, last)]

    @cached_property
    def regions(self) -> dict[str, Region]:
        line = CACHE_LINE // 8
        wanted: list[tuple[str, tuple[int, ...], str]] = [
            ("committed", (self.servers, line), "int64"),
            ("count", (self.workers, line), "int64"),
            ("loss", (self.workers, line), "float64"),
            ("squares", (len(self.chunks),), "float64"),
        ]
        for worker in range(self.workers):
            wanted.append((f"gradients/{worker}", (self.parameters,), self.dtype))
            wanted.append((f"sums/{worker}", (self.statistics,), self.dtype))
        for half in (0, 1):
            wanted.append((f"parameters/{half}", (self.parameters,), self.dtype))
            wanted.append((f"statistics/{half}", (self.statistics,), self.dtype))
            wanted += [(f"optimizer/{name}/{half}", (self.parameters,), self.dtype) for name in self.optimizer]
        regions: dict[str, Region] = {}
        offset = 0
        for name, shape, dtype in wanted:
            regions[name] = Region(offset, shape, dtype)
            offset = _aligned(offset + regions[name].nbytes)
        return regions

    @property
    def nbytes(self) -> int:
        last = list(self.regions.values())[-1]
        return max(_aligned(last.offset + last.nbytes), CACHE_LINE)


def _aligned(offset: int) -> int:
    return -(-offset // CACHE_LINE) * CACHE_LINE
