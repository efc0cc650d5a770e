"""The arithmetic of one server: from the workers' gradient slots to the next version of its slice."""

import math
from collections.abc import Callable, Sequence
from itertools import groupby

import numpy as np

from dist_bp.optim import Updater
from dist_bp.ps.arena import Arena
from dist_bp.ps.chunk import Chunk, Step, Stretch, Tools, squares_of
from dist_bp.ps.contribution import Contribution
from dist_bp.ps.layout import CHUNK
from dist_bp.ps.mesh import Mesh
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
        """Exchanges sums of slots with the other nodes; returns their scores. Those of statistics leave beside them."""
        if self._mesh is None:
            return {}
        summation, slot = contribution.summation, contribution.slot
        if self._averages_statistics:
            self._mesh.send_statistics(version, self._statistics_of(contribution), summation)
        slots = [self._arena.gradients[place][slot] for place in summation.places]
        return self._mesh.exchange_sums(version, slots, summation, scores, lossy=True)

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
        if self._averages_statistics:
            self._average_statistics(version, contribution)
        if self._mesh:
            self._mesh.exchange_slices(version, self._parameters(version))

    def _average_states(self, version: int, contribution: Contribution) -> None:
        summation = contribution.summation
        for name in self._layout.averaged:
            sources = [self._arena.states[place][name] for place in summation.places]
            new = self._arena.optimizer[version % 2][name]
            if self._mesh:
                self._mesh.exchange_sums(version, sources, summation, (), lossy=False)
            for chunk in self._chunks:
                part = slice(chunk.start, chunk.start + len(chunk.mean))
                summation.add_up([source[part] for source in sources], chunk.sums, chunk.tools.scratch, new[part])
                new[part] *= contribution.scale
            if self._mesh:
                self._mesh.exchange_slices(version, new)

    def _average_statistics(self, version: int, contribution: Contribution) -> None:
        """running += (1 - momentum) * (average over the samples - running), or as the mode has it."""
        arena, summation = self._arena, contribution.summation
        received = self._mesh.receive_statistics(version, summation) if self._mesh else {}
        room = np.empty((1 + self._levels, self._layout.statistics), self._layout.dtype)
        total = room[0]
        summation.add_up(self._statistics_of(contribution), received, room[1:], total)
        total *= contribution.sample_scale
        versions = len(arena.statistics)
        new = arena.statistics[version % versions]
        kept = self._statistic_momentum**contribution.sample_fraction
        self._layout.mode.next_statistics(arena.statistics[(version - 1) % versions], total, kept, new)

    @property
    def _averages_statistics(self) -> bool:
        return self._index == 0 and self._layout.statistics > 0

    def _statistics_of(self, contribution: Contribution) -> list[Array]:
        return [self._arena.sums[place][contribution.slot] for place in contribution.summation.places]

    def _parameters(self, version: int) -> Array:
        return self._arena.parameters[version % len(self._arena.parameters)]

    def _bind(self) -> None:
        arena, layout = self._arena, self._layout
        owned = layout.owned_chunks(self._index, self._updaters)
        begin, end = (owned[0][1], owned[-1][2]) if owned else (0, 0)
        # The averages of the whole slice are kept only where clipping needs them a second time.
        clips = self._updater.clip_norm is not None
        means = np.empty(end - begin if clips else CHUNK, layout.dtype)
        self._levels = layout.summation(range(layout.shares)).order.scratch
        tools = Tools(self._updater, np.empty((max(self._levels, 2), CHUNK), layout.dtype))
        incoming = self._mesh.incoming if self._mesh else {}

        def mean(start: int, stop: int) -> Array:
            return means[start - begin : stop - begin] if clips else means[: stop - start]

        for table, pieces in groupby(owned, lambda piece: layout.table_at(piece[1])):
            if table is not None:
                self._tables.append(TablePart(arena, table, list(pieces), mean, tools))
                continue
            for number, start, stop in pieces:
                sums = {node: arrays[:, start - begin : stop - begin] for node, arrays in incoming.items()}
                views, squares = Stretch.of(arena, start, stop), squares_of(arena, number, self._updater)
                self._chunks.append(Chunk(start, views, sums, mean(start, stop), tools, squares))
