"""A chunk of a server's slice: its average, and its next version."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from dist_bp.optim import Slice, Updater
from dist_bp.ps.arena import Arena
from dist_bp.ps.contribution import Contribution
from dist_bp.types import Array


class Tools(NamedTuple):
    """What all chunks of a server work with: `scratch` has at least two rows (CHUNK,)."""

    updater: Updater
    scratch: Array


class Step(NamedTuple):
    """The update that makes `version`, number `number` of the training, from 1."""

    version: int
    number: int
    rate: float


class Stretch(NamedTuple):
    """Views of some adjacent elements: gradients by share and slot, parameters by version, state by half."""

    slots: list[list[Array]]
    parameters: list[Array]
    state: list[dict[str, Array]]

    @classmethod
    def of(cls, arena: Arena, start: int, stop: int) -> "Stretch":
        layout = arena.layout
        kept = layout.slice(layout.node)[0]
        return cls(
            [_cut(slots, start, stop) for slots in arena.gradients],
            _cut(arena.parameters, start, stop),
            [
                {name: array[start - kept : stop - kept] for name, array in half.items()}
                for half in map(layout.mode.servers_state, arena.optimizer)
            ],
        )

    def old_and_new(self, version: int) -> tuple[Slice, Slice]:
        """The version before, and the one that is made."""
        versions = len(self.parameters)
        old = Slice(self.parameters[(version - 1) % versions], self.state[(version - 1) % 2])
        return old, Slice(self.parameters[version % versions], self.state[version % 2])


@dataclass(frozen=True, eq=False)
class Chunk:
    """Elements from `start` on, as many as `mean` has, where their average goes; `sums` are those of other nodes, some
    for each. Where the whole gradient is clipped, `squares` get the squared norms of the chunk's blocks.
    """

    start: int
    views: Stretch
    sums: dict[int, Array]
    mean: Array
    tools: Tools
    squares: Array | None

    def average(self, contribution: Contribution) -> float:
        """Makes the average gradient; returns its sum of squares."""
        self._add_up(contribution)
        updater, scratch = self.tools
        if self.squares is None:
            return updater.prepare(self.mean, contribution.scale)
        return updater.prepare_blocks(self.mean, contribution.scale, self.squares, scratch[0, : len(self.mean)])

    def note_squares(self, total: float) -> None:
        """Notes a squared norm of the whole chunk, made block by block in no other way."""
        if self.squares is not None:
            self.squares[0], self.squares[1:] = total, 0

    def _add_up(self, contribution: Contribution) -> None:
        summation, slot = contribution.summation, contribution.slot
        own = [self.views.slots[place][slot] for place in summation.places]
        summation.add_up(own, self.sums, self.tools.scratch, self.mean)

    def update(self, step: Step, clip: float) -> None:
        """Makes the new version from the one before and `clip` times the average, which is lost."""
        old, new = self.views.old_and_new(step.version)
        updater, scratch = self.tools
        updater.apply(old, new, self.mean, self.start, step.number, step.rate, clip, scratch[:2, : len(self.mean)])


def squares_of(arena: Arena, number: int, updater: Updater) -> Array | None:
    """Where those of the blocks of a chunk go: None where nobody asks for them."""
    if updater.clip_norm is None:
        return None
    first, stop = arena.layout.blocks[number : number + 2]
    return arena.squares[first:stop]


def _cut(arrays: Iterable[Array], start: int, stop: int) -> list[Array]:
    return [array[start:stop] for array in arrays]
