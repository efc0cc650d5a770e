"""The arithmetic of one server: from the workers' gradient slots to the next version of its slice."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

from dist_bp.optim import Updater
from dist_bp.ps.arena import Arena
from dist_bp.ps.chunk import Chunk, Step, Stretch, Tools
from dist_bp.ps.contribution import Contribution
from dist_bp.ps.layout import CHUNK
from dist_bp.ps.mesh import Kind, Mesh, add_up
from dist_bp.ps.table import TablePart
from dist_bp.types import Array


class SliceUpdate:
    """Makes version v of what one server updates from version v - 1.

    `part` says which server of the node it is, and of how many. A chunk is averaged and updated while it is in the
    cache. With `clip_norm` all are averaged first, since the norm is that of the whole gradient. Tables whose gradients
    come by rows are `TablePart`s. In the `local` mode the slots hold how far the workers have moved.
    """

    def __init__(
        self,
        arena: Arena,
        part: tuple[int, int],
        updater: Updater,
        statistic_momentum: Array,
        mesh: Mesh | None = None,
    ) -> None:
        self._arena = arena
        self._layout = arena.layout
        self._index, self._updaters = part
        self._updater = updater
        self._statistic_momentum = statistic_momentum
        self._mesh = mesh
        self._chunks: list[Chunk] = []
        self._tables: list[TablePart] = []
        self._bind()

    def gather(self, version: int, contribution: Contribution, scores: list[float]) -> dict[int, tuple[float, ...]]:
        """Exchanges sums of slots with the other nodes; returns their scores."""
        if self._mesh is None:
            return {}
        slots = [self._arena.gradients[share][contribution.slot] for share in contribution.shares]
        return self._mesh.exchange_sums(version, slots, contribution.nodes, scores, lossy=True)

    def apply(
        self, version: int, number: int, rate: float, contribution: Contribution, total_norm: Callable[[], float]
    ) -> float:
        """Makes update `number` (from 1); returns this server's part of the squared norm of the average.

        Where that is not finite the new version is worthless. `total_norm` gives the norm over all servers.
        """
        step = Step(version, number, rate)
        units: Sequence[Chunk | TablePart] = self._chunks
        if self._tables:
            units = [*units, *(unit for table in self._tables for unit in table.units(contribution))]
        squares = 0.0
        if self._updater.clip_norm is None:
            for unit in units:
                squares += unit.average(contribution)
                unit.update(step, 1.0)
        else:
            for unit in units:
                squares += unit.average(contribution)
            if not math.isfinite(squares):
                return squares
            clip = self._updater.clip_factor(total_norm())
            for unit in units:
                unit.update(step, clip)
        return squares

    def forget(self) -> None:
        """What was made last came to nothing."""
        for table in self._tables:
            table.forget()

    def complete(self, version: int, contribution: Contribution) -> None:
        """Makes the rest of the version: what workers average, and the other nodes' slices of the parameters."""
        if self._layout.averaged:
            self._average_states(version, contribution)
        if self._index == 0 and self._layout.statistics:
            self._average_statistics(version, contribution)
        if self._mesh:
            self._mesh.exchange_slices(version, self._parameters(version))

    def _average_states(self, version: int, contribution: Contribution) -> None:
        for name in self._layout.averaged:
            sources = [self._arena.states[share][name] for share in contribution.shares]
            new = self._arena.optimizer[version % 2][name]
            sums: dict[int, Array] = {}
            if self._mesh:
                self._mesh.exchange_sums(version, sources, contribution.nodes, (), lossy=False)
                sums = self._mesh.incoming
            for chunk in self._chunks:
                part = slice(chunk.start, chunk.start + len(chunk.mean))
                first = self._chunks[0].start
                others = [
                    sums[node][part.start - first : part.stop - first] for node in contribution.nodes if node in sums
                ]
                add_up([source[part] for source in sources] + others, new[part])
                new[part] *= contribution.scale
            if self._mesh:
                self._mesh.exchange_slices(version, new)

    def _average_statistics(self, version: int, contribution: Contribution) -> None:
        """running += (1 - momentum) * (average over the samples - running), or as the mode has it."""
        arena = self._arena
        total = np.zeros(self._layout.statistics, self._layout.dtype)
        own = [arena.sums[share][contribution.slot] for share in contribution.shares]
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
        kept = self._statistic_momentum**contribution.sample_fraction
        self._layout.mode.next_statistics(arena.statistics[(version - 1) % versions], total, kept, new)

    def _parameters(self, version: int) -> Array:
        return self._arena.parameters[version % len(self._arena.parameters)]

    def _bind(self) -> None:
        arena, layout = self._arena, self._layout
        owned = layout.owned_chunks(self._index, self._updaters)
        begin, end = (owned[0][1], owned[-1][2]) if owned else (0, 0)
        # The averages of the whole slice are kept only where clipping needs them a second time.
        clips = self._updater.clip_norm is not None
        means = np.empty(end - begin if clips else CHUNK, layout.dtype)
        tools = Tools(self._updater, np.empty((2, CHUNK), layout.dtype), arena.squares)
        incoming = self._mesh.incoming if self._mesh else {}

        def mean(start: int, stop: int) -> Array:
            return means[start - begin : stop - begin] if clips else means[: stop - start]

        for table, pieces in groupby(owned, lambda piece: layout.table_at(piece[1])):
            if table is not None:
                self._tables.append(TablePart(arena, table, list(pieces), mean, tools))
                continue
            for number, start, stop in pieces:
                sums = {node: array[start - begin : stop - begin] for node, array in incoming.items()}
                views = Stretch.of(arena, start, stop)
                self._chunks.append(Chunk(number, start, views, sums, mean(start, stop), tools))
