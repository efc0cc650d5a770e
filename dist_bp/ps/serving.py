"""A parameter server's part of an update: what the slots hold becomes the next version of its part of the slice."""

import math
from collections.abc import Callable

import numpy as np

from dist_bp.data.samples import Amount
from dist_bp.ps.arena import Arena
from dist_bp.ps.contribution import Contribution
from dist_bp.ps.lease import Lease, NonFinite
from dist_bp.ps.lease_log import LeaseLog, Scores, Update
from dist_bp.ps.mesh import Mesh
from dist_bp.ps.recipe import Rules
from dist_bp.ps.update import SliceUpdate
from dist_bp.types import Array


class Serving:
    """Makes updates, in whatever process it is; `statistic_momentum` is the model's."""

    def __init__(self, arena: Arena, rules: Rules, statistic_momentum: Array, mesh: Mesh | None = None) -> None:
        self._arena = arena
        self._layout = arena.layout
        self._rate = rules.rate
        self._updater = arena.layout.mode.servers_rule(rules.updater)
        self._statistic_momentum = statistic_momentum
        self._mesh = mesh
        self._index = 0
        self._slices: dict[tuple[int, int], SliceUpdate] = {}

    def begin(self, lease: Lease, index: int, updaters: int) -> LeaseLog:
        """Begins a lease as server `index` of so many of the node."""
        self._index = index
        self._arena.begun[index] = self._arena.committed[index] = lease.version
        self._arena.updating[0] = (
            updaters  # last: these words of an earlier lease may be of a version that came to nothing
        )
        if (index, updaters) not in self._slices:
            part = SliceUpdate(self._arena, (index, updaters), self._updater, self._statistic_momentum, self._mesh)
            self._slices = {(index, updaters): part}
        self._slice = self._slices[index, updaters]
        if self._mesh:
            self._mesh.generation = lease.generation
        return LeaseLog(lease, self._arena, index)

    @property
    def wire_bytes(self) -> tuple[int, int]:
        """What has been sent to and received from other nodes so far."""
        return self._mesh.wire_bytes if self._mesh else (0, 0)

    def wire_bytes_since(self, before: tuple[int, int]) -> tuple[int, int]:
        sent, received = self.wire_bytes
        return sent - before[0], received - before[1]

    def rest(self) -> None:
        """In a lease in which others update."""
        self._slices.clear()

    def make(self, log: LeaseLog, shares: tuple[int, ...], meet: Callable[[int], None]) -> Update | None:
        """Makes the next version from the slots of `shares`; None where a NaN or infinity forbids it, which `log` gets.

        `meet` waits until all servers of the node have their squared norms of the average for a version in the arena.
        """
        version, mode = log.lease.version + log.done + 1, self._layout.mode
        if self._layout.compressed:  # what is sent changes what is owed
            self._arena.begun[self._index] = version
        contribution, of_shares, whole = self._collected(log, version, shares)
        self._arena.begun[self._index] = version  # not before: if a node is lost meanwhile, the one before last counts
        scores = Scores(*np.add.reduce(of_shares, axis=0).tolist())
        part = Amount(int(sum(scores.counts)), sum(scores.weights))
        contribution = contribution.of_part(part, whole, alone=mode.alone)
        rate = self._rate(log.step) * log.lease.rate_factor * contribution.fraction
        squares = math.nan
        if math.isfinite(sum(scores.losses)):
            applied = mode.servers_rate(rate)
            squares = self._slice.apply(version, log.number, applied, contribution, lambda: self._norm(version, meet))
        if not math.isfinite(squares):
            losses = of_shares[:, 0]
            culprits = [share for share, own in zip(shares, losses, strict=True) if not np.isfinite(own).all()]
            log.non_finite = NonFinite(log.step, culprits[0] if culprits else None)
            self._slice.forget()
            return None
        self._slice.complete(version, contribution)
        if self._layout.one_round and self._layout.node:  # the whole is updated by every node, and counts once
            squares = 0.0
        return Update(scores, squares, rate, self._staleness(contribution, version))

    def commit(self, version: int) -> None:
        """What was made is the newest version of this server's part."""
        self._arena.committed[self._index] = version

    def _collected(self, log: LeaseLog, version: int, shares: tuple[int, ...]) -> tuple[Contribution, Array, Amount]:
        """What the update is made of, the scores (shares, 3, steps) of its shares, and the amount of the whole."""
        arena, slot, length = self._arena, log.done % self._layout.mode.slots, log.length
        contribution = Contribution(log.summation(shares), slot)
        places, nodes = contribution.summation.places, contribution.summation.nodes
        scores = arena.scores[:, slot, :, :length]
        if len(places) != len(scores):
            scores = scores[list(places)]
        samples, weight = arena.expected[places[0], slot].tolist() if places else (0.0, 0.0)
        if self._mesh:
            sent = [samples, weight, *scores.ravel().tolist()]
            got = self._slice.gather(version, contribution, sent)
            got[self._layout.node] = tuple(sent)
            samples, weight = got[nodes[0]][:2]
            scores = np.concatenate([np.reshape(got[node][2:], (-1, 3, length)) for node in nodes])
        return contribution, scores, Amount(int(samples), weight)

    def _staleness(self, contribution: Contribution, version: int) -> int:
        """By how many versions the oldest of this node's gradients was behind."""
        if self._layout.mode.exact:
            return 0
        sources = [int(self._arena.sources[share, contribution.slot]) for share in contribution.summation.places]
        return version - 1 - min(sources, default=version - 1)

    def _norm(self, version: int, meet: Callable[[int], None]) -> float:
        """The norm over all slices, added up block by block: whoever has updated which."""
        if self._mesh:
            self._mesh.exchange_squares(version, self._arena.squares)
        meet(version)
        return math.sqrt(math.fsum(self._arena.squares.tolist()))
