"""The memory that all processes of one node share.

The arena is an anonymous memory file (memfd): it has no name in any file system, its descriptor is handed to
peers over a Unix socket, and the kernel frees it when the last process that holds it is gone, however that
process ended. So nothing can be left behind, and the size of /dev/shm does not limit it.
"""

import errno
import mmap
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from dist_bp.errors import CapacityError, TrainingFailed
from dist_bp.nn.touched import TouchedRows
from dist_bp.ps.layout import CACHE_LINE, MEASURED_VERSIONS, ArenaLayout
from dist_bp.ps.owed import debts_of, restore
from dist_bp.types import Array


@dataclass(frozen=True)
class Snapshot:
    """The model and the optimizer's state after `step` global batches, copied out of the arena; and what nodes owe each
    other of what compression has left out, named `from/to`."""

    step: int
    parameters: Array
    statistics: Array
    optimizer: Mapping[str, Array]
    owed: Mapping[str, Array] = field(default_factory=dict)


class Log(NamedTuple):
    """What is measured in a lease: sums of losses, samples and weights by step, learning rates by update, and of each
    updater the squared norms of its parts."""

    losses: Array
    counts: Array
    weights: Array
    rates: Array
    squares: Array


class Part(NamedTuple):
    """What a node has of a snapshot."""

    parameters: Array
    statistics: Array
    optimizer: dict[str, Array]
    owed: dict[str, Array]


class VersionGone(TrainingFailed):
    """A version was asked for whose place later ones have taken."""


class Arena:
    """Typed views of the shared memory described by a layout; with `populate` all of it is mapped at once.

    Of what each share has the first axis is its place among those of the node.
    """

    def __init__(self, layout: ArenaLayout, descriptor: int, populate: bool = True) -> None:
        self.layout = layout
        self.descriptor = descriptor
        self._memory = mmap.mmap(
            descriptor,
            layout.nbytes,
            flags=mmap.MAP_SHARED | (mmap.MAP_POPULATE if populate else 0),
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
        )
        shares, slots, mode = range(len(layout.own_shares)), range(layout.mode.slots), layout.mode
        self.stages = self._words("stages")
        self.signs = self._words("signs")
        """Parts of gradients that have been computed, by share: while they grow, somebody works."""
        self.asleep = self._words("asleep")
        self.ended = self._words("ended")
        self.updating = self._words("updating")
        self.begun = self._view("begun")[:, 0]
        self.committed = self._view("committed")[:, 0]
        self.chosen = self._view("chosen")[:, 0]
        self.sources = self._view("source")[:, :, 0]
        self.expected = self._view("expected")[:, :, :2]
        self.scores = self._view("scores")[:, :, :, : mode.steps]
        """By share and slot sums of losses, numbers of samples, and weights, each for some steps."""
        self.squares = self._view("squares")
        self._written = self._view("written")[0]
        self.log = Log(*(self._view(f"log/{name}") for name in Log._fields))
        self.metrics = [
            [self._view(f"states/{share}/{version}") for version in range(MEASURED_VERSIONS)] for share in shares
        ]
        """Bytes for the states of the metrics of each share, of version v at v % MEASURED_VERSIONS."""
        self.gradients = [[self._view(f"gradients/{share}/{slot}") for slot in slots] for share in shares]
        self.sums = [[self._view(f"sums/{share}/{slot}") for slot in slots] for share in shares]
        self.touched = [
            [
                [TouchedRows(self._view(f"touched/{share}/{slot}/{index}")) for index in range(len(layout.by_rows))]
                for slot in slots
            ]
            for share in shares
        ]
        """Which rows of the gradients in a slot are written, a table of `layout.by_rows` each."""
        self.states = [{name: self._view(f"state/{share}/{name}") for name in layout.averaged} for share in shares]
        self.parameters = [self._view(f"parameters/{version}") for version in range(mode.versions)]
        self.statistics = [self._view(f"statistics/{version}") for version in range(mode.versions)]
        self.optimizer = [
            {name: self._view(f"optimizer/{name}/{half}") for name in layout.optimizer} for half in (0, 1)
        ]
        self.owed = [{other: self._view(f"owed/{other}/{half}") for other in layout.owing} for half in (0, 1)]
        """What this node owes each of the others, of even and odd versions."""

    @classmethod
    def create(cls, layout: ArenaLayout) -> "Arena":
        """Reserves the memory at once; raises CapacityError where there is too little of it."""
        descriptor = os.memfd_create("dist_bp", os.MFD_CLOEXEC)
        try:
            os.posix_fallocate(descriptor, 0, layout.nbytes)
        except OSError as error:
            os.close(descriptor)
            if error.errno in (errno.ENOSPC, errno.ENOMEM, errno.EFBIG):
                raise CapacityError(
                    f"no room for {layout.nbytes / 2**20:.0f} MiB of shared memory: "
                    "use a smaller model, fewer workers or float32"
                ) from error
            raise
        return cls(layout, descriptor)

    @property
    def version(self) -> int:
        """The newest version that all who update at present have committed."""
        return min(self.committed[: self.updating[0] or None].tolist())  # type: ignore[no-any-return]

    @property
    def writes(self) -> int:
        """How often a version has been written here, and not made by an update."""
        return int(self._written[0])

    def read(self, version: int) -> Part:
        """Copies parameters, statistics, the node's part of the state, and what it owes.

        Raises VersionGone where a lease is under way whose updates have replaced them.
        """
        copies = Part(
            self.parameters[version % self.layout.mode.versions].copy(),
            self.statistics[version % self.layout.mode.versions].copy(),
            {name: array.copy() for name, array in self.optimizer[version % 2].items()},
            {f"{self.layout.node}/{other}": array.copy() for other, array in self.owed[version % 2].items()},
        )
        if max(self.begun.tolist()) > version + 1:
            raise VersionGone(f"version {version} is no longer there")
        return copies

    def write(self, version: int, snapshot: Snapshot) -> None:
        """Makes `snapshot` the committed version; call it between leases only."""
        np.copyto(self.parameters[version % self.layout.mode.versions], snapshot.parameters)
        np.copyto(self.statistics[version % self.layout.mode.versions], snapshot.statistics)
        for name, array in self.optimizer[version % 2].items():
            np.copyto(array, snapshot.optimizer[name][slice(*self.layout.kept(name))])
        if self.layout.compressed:
            restore(debts_of(snapshot.owed, self.layout.parameters), self.layout, self.owed[version % 2])
        self._written[0] += 1
        self.begun[:] = version
        self.committed[:] = version

    def close(self) -> None:
        """Gives the descriptor back; the memory itself goes with the last view of it."""
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _words(self, name: str) -> memoryview:
        """A word each in a line of the cache of its own: cheaper to look at than an array's."""
        words: memoryview = self._view(name).reshape(-1).data[:: CACHE_LINE // 8]
        return words

    def _view(self, name: str) -> Array:
        region = self.layout.regions[name]
        flat = np.frombuffer(self._memory, region.dtype, int(np.prod(region.shape)), region.offset)
        return flat.reshape(region.shape)


def assemble(step: int, parts: Sequence[Part]) -> Snapshot:
    """The snapshot after `step` global batches from what `read` gives on each node.

    Raises TrainingFailed where nodes that must have the same have not.
    """
    parameters, statistics, state, _ = parts[0]
    _check_same(step, parts)
    whole = {
        name: array if len(array) == len(parameters) else np.concatenate([part.optimizer[name] for part in parts])
        for name, array in state.items()
    }
    owed = {name: array for part in parts for name, array in part.owed.items()}
    return Snapshot(step, parameters, statistics, whole, owed)


def _check_same(step: int, parts: Sequence[Part]) -> None:
    first, *others = map(_whole, parts)
    for node, whole in enumerate(others, 1):
        for name in first.keys() & whole.keys():
            if not np.array_equal(first[name].view(np.uint8), whole[name].view(np.uint8)):
                raise TrainingFailed(
                    f"after step {step} nodes 0 and {node} have different {name}: their processors or libraries "
                    "compute differently; use nodes of one kind, or put all workers on one (scaling.placement=packed)"
                )


def _whole(part: Part) -> dict[str, Array]:
    """What a node has that all have: of the same bits, as each has computed it or been sent it."""
    state = {name: array for name, array in part.optimizer.items() if len(array) == len(part.parameters)}
    return {"parameters": part.parameters, "running statistics": part.statistics, **state}
