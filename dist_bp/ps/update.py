"""The arithmetic of one server: from the workers' gradient slots to the next version of its slice."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dist_bp.data.samples import Amount
from dist_bp.optim import Slice, Updater
from dist_bp.ps.arena import Arena
from dist_bp.ps.layout import CHUNK, OUTER
from dist_bp.ps.mesh import Kind, Mesh, add_up
from dist_bp.types import Array


class Contribution(NamedTuple):
    """Whose slots make an update: local indices of this node's workers, their slot, and all nodes that have any.

    `scale` turns the sum of the slots into an average by weight, `sample_scale` into one over samples. `fraction` is
    the part of a whole update that it makes, by weight; `sample_fraction` that of the running statistics.
    """

    workers: tuple[int, ...]
    slot: int
    nodes: tuple[int, ...]
    scale: float = 1.0
    sample_scale: float = 1.0
    fraction: float = 1.0
    sample_fraction: float = 1.0

    def of_part(self, part: Amount, whole: Amount, alone: bool) -> "Contribution":
        """The same where the slots, divided by the weight of `whole`, are of a `part` of it.

        What is missing was dropped, or makes updates of its own (`alone`).
        """
        if part.samples == whole.samples:
            return self
        by_samples = part.samples / whole.samples
        by_weight = part.weight / whole.weight if whole.weight else by_samples
        return self._replace(
            scale=whole.weight / part.weight if part.weight else 0.0,
            sample_scale=whole.samples / part.samples if part.samples else 0.0,
            fraction=by_weight if alone else 1.0,
            sample_fraction=by_samples if alone or not part.samples else 1.0,
        )


@dataclass(frozen=True)
class _Chunk:
    """The views of one chunk: slots by worker and slot, sums by node, parameters by version, state by half."""

    number: int
    start: int
    size: int
    slots: list[list[Array]]
    sums: dict[int, Array]
    parameters: list[Array]
    state: list[dict[str, Array]]

    def sources(self, contribution: Contribution) -> list[Array]:
        own = [self.slots[worker][contribution.slot] for worker in contribution.workers]
        return own + [self.sums[node] for node in contribution.nodes if node in self.sums]


class SliceUpdate:
    """Makes version v of the slice of server `index` from version v - 1.

    A chunk is averaged and updated while it is in the cache. With `clip_norm` all are averaged first, since the norm
    is that of the whole gradient. In the `local` mode the slots hold how far the workers have moved.
    """

    def __init__(
        self, arena: Arena, index: int, updater: Updater, statistic_momentum: Array, mesh: Mesh | None
    ) -> None:
        self._arena = arena
        self._layout = arena.layout
        self._index = index
        self._updater = updater
        self._statistic_momentum = statistic_momentum
        self._mesh = mesh
        self._scratch = np.empty((2, CHUNK), self._layout.dtype)
        self._chunks = self._bind()
        # The averages of the whole slice are kept only where clipping needs them a second time.
        kept = sum(chunk.size for chunk in self._chunks) if updater.clip_norm is not None else CHUNK
        self._means = np.empty(kept, self._layout.dtype)

    def gather(self, version: int, contribution: Contribution, scores: list[float]) -> dict[int, tuple[float, ...]]:
        """Exchanges sums of slots with the other nodes; returns their scores."""
        if self._mesh is None:
            return {}
        slots = [self._arena.gradients[worker][contribution.slot] for worker in contribution.workers]
        return self._mesh.exchange_sums(version, slots, contribution.nodes, scores, lossy=True)

    def apply(
        self, version: int, number: int, rate: float, contribution: Contribution, total_norm: Callable[[], float]
    ) -> float:
        """Makes update `number` (from 1); returns this server's part of the squared norm of the average.

        Where that is not finite the new version is worthless. `total_norm` gives the norm over all servers.
        """
        squares = 0.0
        if self._updater.clip_norm is None:
            for chunk in self._chunks:
                mean = self._means[: chunk.size]
                squares += self._average(chunk, mean, contribution)
                self._update(chunk, mean, version, number, rate, 1.0)
        else:
            for chunk in self._chunks:
                squares += self._average(chunk, self._mean(chunk), contribution)
            if not math.isfinite(squares):
                return squares
            clip = self._updater.clip_factor(total_norm())
            for chunk in self._chunks:
                self._update(chunk, self._mean(chunk), version, number, rate, clip)
        return squares

    def complete(self, version: int, contribution: Contribution) -> None:
        """Makes the rest of the version: what workers average, and the other nodes' slices of the parameters."""
        if self._layout.averaged:
            self._average_states(version, contribution)
        if self._index == 0 and self._layout.statistics:
            self._average_statistics(version, contribution)
        if self._mesh:
            self._mesh.exchange_slices(version, self._parameters(version))

    def _mean(self, chunk: _Chunk) -> Array:
        start = chunk.start - self._chunks[0].start
        return self._means[start : start + chunk.size]

    def _average(self, chunk: _Chunk, mean: Array, contribution: Contribution) -> float:
        add_up(chunk.sources(contribution), mean)
        squares = self._updater.prepare(mean, contribution.scale)
        self._arena.squares[chunk.number] = squares
        return squares

    def _update(self, chunk: _Chunk, mean: Array, version: int, number: int, rate: float, clip: float) -> None:
        versions = len(chunk.parameters)
        old = Slice(chunk.parameters[(version - 1) % versions], chunk.state[(version - 1) % 2])
        new = Slice(chunk.parameters[version % versions], chunk.state[version % 2])
        scratch = self._scratch[:, : chunk.size]
        self._updater.apply(old, new, mean, chunk.start, number, rate, clip, scratch)

    def _average_states(self, version: int, contribution: Contribution) -> None:
        for name in self._layout.averaged:
            sources = [self._arena.states[worker][name] for worker in contribution.workers]
            new = self._arena.optimizer[version % 2][name]
            sums: dict[int, Array] = {}
            if self._mesh:
                self._mesh.exchange_sums(version, sources, contribution.nodes, (), lossy=False)
                sums = self._mesh.incoming
            for chunk in self._chunks:
                part = slice(chunk.start, chunk.start + chunk.size)
                first = self._chunks[0].start
                others = [
                    sums[node][part.start - first : part.stop - first] for node in contribution.nodes if node in sums
                ]
                add_up([source[part] for source in sources] + others, new[part])
                new[part] *= contribution.scale
            if self._mesh:
                self._mesh.exchange_slices(version, new)

    def _average_statistics(self, version: int, contribution: Contribution) -> None:
        """running += (1 - momentum) * (average over the samples - running); local workers have done that already."""
        arena = self._arena
        total = np.zeros(self._layout.statistics, self._layout.dtype)
        own = [arena.sums[worker][contribution.slot] for worker in contribution.workers]
        if own:
            add_up(own, total)
        if self._mesh:
            sums = self._mesh.exchange_whole(Kind.STATISTICS, version, total, contribution.nodes)
            if own:
                sums[self._layout.node] = total
            total = np.zeros_like(total)
            for node in sorted(sums):
                total += sums[node]
        total *= contribution.sample_scale
        versions = len(arena.statistics)
        new = arena.statistics[version % versions]
        if self._layout.mode.name == "local":
            np.copyto(new, total)
            return
        running = arena.statistics[(version - 1) % versions]
        total -= running
        total *= 1 - self._statistic_momentum**contribution.sample_fraction
        np.add(running, total, out=new)

    def _parameters(self, version: int) -> Array:
        return self._arena.parameters[version % len(self._arena.parameters)]

    def _bind(self) -> list[_Chunk]:
        arena, layout = self._arena, self._layout
        owned = layout.owned_chunks(self._index)
        kept = layout.slice(layout.node)[0]
        incoming = self._mesh.incoming if self._mesh else {}
        return [
            _Chunk(
                number=number,
                start=start,
                size=stop - start,
                slots=[_cut(slots, start, stop) for slots in arena.gradients],
                sums={node: sums[start - owned[0][1] : stop - owned[0][1]] for node, sums in incoming.items()},
                parameters=_cut(arena.parameters, start, stop),
                state=[
                    {name: array[start - kept : stop - kept] for name, array in half.items()}
                    for half in self._state_halves()
                ],
            )
            for number, start, stop in owned
        ]

    def _state_halves(self) -> list[dict[str, Array]]:
        """What the rule of this update keeps: in the `local` mode it is not the workers' but its own."""
        halves = self._arena.optimizer
        if self._layout.mode.name != "local":
            return halves
        return [{"momentum": half[OUTER]} if OUTER in half else {} for half in halves]


def _cut(arrays: Iterable[Array], start: int, stop: int) -> list[Array]:
    return [array[start:stop] for array in arrays]
