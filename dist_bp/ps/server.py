"""A parameter server: averages the workers' gradients and applies one optimizer update a step to its slice."""

import math
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dist_bp.optim.updater import Updater
from dist_bp.ps.arena import Arena, Snapshot
from dist_bp.ps.doorbell import ABORT, Doorbell, Peer, PeerLost, Porch, call
from dist_bp.ps.layout import CHUNK, ArenaLayout
from dist_bp.ps.lease import Lease, NonFinite, ServerReport

Array = npt.NDArray[Any]
Rate = Callable[[int], float]


@dataclass(frozen=True)
class _Chunk:
    """The views of one chunk; pairs hold the two halves of the arena."""

    number: int
    start: int
    slots: list[Array]
    mean: Array
    parameters: tuple[Array, Array]
    optimizer: tuple[dict[str, Array], dict[str, Array]]


class Server:
    """Server `index` of a node. Server 0 creates the arena, all others receive it from there.

    `rate` maps the number of updates made so far to the scheduled learning rate.
    """

    def __init__(
        self,
        index: int,
        layout: ArenaLayout,
        updater: Updater,
        rate: Rate,
        statistic_momentum: Array,
        secret: bytes,
        timeout: float,
    ) -> None:
        self.index = index
        self._layout = layout
        self._updater = updater
        self._rate = rate
        self._statistic_momentum = statistic_momentum
        self._secret = secret
        self._timeout = timeout
        self._porch = Porch(secret, timeout)
        self._workers: list[Doorbell] = []
        self._servers: list[Doorbell] = []
        self._arena: Arena | None = None

    def listen(self) -> bytes:
        """The address where peers reach this server; raises CapacityError without memory for the arena."""
        if self.index == 0:
            self._arena = Arena.create(self._layout)
        return self._porch.address

    def gather(self, addresses: Sequence[bytes]) -> None:
        """Connects to the servers before this one and receives the workers and the servers after it."""
        me = Peer("server", self.index)
        for other in range(self.index):
            bell, descriptor = call(addresses[other], Peer("server", other), me, self._secret, self._timeout)
            self._servers.append(bell)
            if self._arena is None:
                self._arena = Arena(self._layout, descriptor)
            else:
                os.close(descriptor)
        workers = [Peer("worker", rank) for rank in range(self._layout.workers)]
        later = [Peer("server", other) for other in range(self.index + 1, self._layout.servers)]
        bells = self._porch.receive([*workers, *later], self.arena.descriptor)
        self._workers = [bells[peer] for peer in workers]
        self._servers += [bells[peer] for peer in later]
        self._porch.close()
        self._chunks = self._bind_chunks()
        self._scratch = np.empty((2, CHUNK), self._layout.dtype)

    @property
    def arena(self) -> Arena:
        if self._arena is None:
            raise RuntimeError("the server has not joined its node yet")
        return self._arena

    def read(self) -> Snapshot:
        return self.arena.read()

    def write(self, snapshot: Snapshot) -> None:
        self.arena.write(snapshot)

    @np.errstate(all="ignore")  # a NaN ends the lease with a message of its own
    def run(self, lease: Lease) -> ServerReport:
        """Makes the updates of the lease; raises PeerLost when a worker or server dies or hangs."""
        self.arena.committed[self.index] = lease.first
        log = np.zeros((lease.steps, 7))
        done, non_finite = 0, None
        try:
            for step in range(lease.first, lease.last):
                non_finite = self._step(step, lease, log[done])
                if non_finite is not None:
                    break
                done += 1
        except _Aborted:
            self._abort(self._workers, lease.generation)
        except BaseException:
            self.close()
            raise
        losses, counts, squares, rates = log[:done, :4].T.copy()
        return ServerReport(self.index, losses, counts, squares, rates, log[:done, 4:].copy(), non_finite)

    def close(self) -> None:
        for bell in (*self._workers, *self._servers):
            bell.close()
        self._porch.close()
        if self._arena is not None:
            self._arena.close()

    def _step(self, step: int, lease: Lease, log: Array) -> NonFinite | None:
        arena, generation = self.arena, lease.generation
        started = time.perf_counter()
        self._wait(self._workers, generation, step)
        collected = time.perf_counter()
        losses = arena.losses.tolist()
        count = int(arena.counts.sum())
        rate = self._rate(step) * lease.rate_factor
        squares = math.nan
        if math.isfinite(sum(losses)):
            squares = self._update(step, generation, 1.0 / count, rate)
        if not math.isfinite(squares):
            self._abort((*self._workers, *self._servers), generation)
            culprits = [rank for rank, loss in enumerate(losses) if not math.isfinite(loss)]
            return NonFinite(step, culprits[0] if culprits else None)
        updated = time.perf_counter()
        arena.committed[self.index] = step + 1
        for bell in self._workers:
            bell.ring(generation, step + 1)
        published = time.perf_counter()
        log[:] = (
            sum(losses),
            count,
            squares,
            rate,
            collected - started,
            updated - collected,
            published - updated,
        )
        return None

    def _update(self, step: int, generation: int, scale: float, rate: float) -> float:
        """Reads version `step`, writes version step + 1; returns this server's part of the squared norm."""
        if self._updater.clip_norm is None:
            squares = 0.0
            for chunk in self._chunks:
                squares += self._reduce(chunk, scale)
                self._apply(chunk, step, rate, 1.0)
        else:
            squares = sum(self._reduce(chunk, scale) for chunk in self._chunks)
            if not math.isfinite(squares):
                return squares
            clip = self._updater.clip_factor(self._total_norm(generation, step))
            for chunk in self._chunks:
                self._apply(chunk, step, rate, clip)
        if self.index == 0 and self._layout.statistics:
            self._average_statistics(step, scale)
        return squares

    def _reduce(self, chunk: _Chunk, scale: float) -> float:
        """Averages the workers' gradients of a chunk in fixed order; returns the sum of squares."""
        slots, mean = chunk.slots, chunk.mean
        if len(slots) == 1:
            np.copyto(mean, slots[0])
        else:
            np.add(slots[0], slots[1], out=mean)
            for slot in slots[2:]:
                np.add(mean, slot, out=mean)
        squares = self._updater.prepare(mean, scale)
        self.arena.squares[chunk.number] = squares
        return squares

    def _apply(self, chunk: _Chunk, step: int, rate: float, clip: float) -> None:
        old, new = step % 2, (step + 1) % 2
        parameters, state = chunk.parameters[new], chunk.optimizer[new]
        np.copyto(parameters, chunk.parameters[old])
        for name, array in state.items():
            np.copyto(array, chunk.optimizer[old][name])
        self._updater.apply(
            parameters,
            chunk.mean,
            state,
            chunk.start,
            step + 1,
            rate,
            clip,
            self._scratch[:, : len(parameters)],
        )

    def _total_norm(self, generation: int, step: int) -> float:
        """The norm over all servers' slices, added in chunk order so that it does not depend on their number."""
        for bell in self._servers:
            bell.ring(generation, step)
        self._wait(self._servers, generation, step)
        return math.sqrt(math.fsum(self.arena.squares.tolist()))

    def _average_statistics(self, step: int, scale: float) -> None:
        """running += (1 - momentum) * (average over the global batch - running)."""
        arena = self.arena
        change = arena.sums[0].copy()
        for sums in arena.sums[1:]:
            change += sums
        change *= scale
        running = arena.version(step).statistics
        change -= running
        change *= 1 - self._statistic_momentum
        np.add(running, change, out=arena.version(step + 1).statistics)

    def _abort(self, bells: Sequence[Doorbell], generation: int) -> None:
        for bell in bells:
            bell.ring(generation, ABORT)

    def _wait(self, bells: Sequence[Doorbell], generation: int, step: int) -> None:
        for bell in bells:
            rung = bell.wait(generation)
            if rung == ABORT:
                raise _Aborted
            if rung != step:
                raise PeerLost(str(bell.peer), f"is at step {rung}, not {step}")

    def _bind_chunks(self) -> list[_Chunk]:
        owned = self._layout.owned_chunks(self.index)
        base = owned[0][1] if owned else 0
        length = owned[-1][2] - base if owned else 0
        # The average of the whole slice is kept only where clipping needs it a second time.
        keep = self._updater.clip_norm is not None
        buffer = np.empty(length if keep else min(length, CHUNK), self._layout.dtype)
        halves = self.arena.halves
        chunks = []
        for number, start, stop in owned:
            first = start - base if keep else 0
            chunks.append(
                _Chunk(
                    number=number,
                    start=start,
                    slots=[gradients[start:stop] for gradients in self.arena.gradients],
                    mean=buffer[first : first + stop - start],
                    parameters=(halves[0].parameters[start:stop], halves[1].parameters[start:stop]),
                    optimizer=(
                        _slices(halves[0].optimizer, start, stop),
                        _slices(halves[1].optimizer, start, stop),
                    ),
                )
            )
        return chunks


class _Aborted(Exception):
    """A peer ended the lease before the update."""


def _slices(arrays: dict[str, Array], start: int, stop: int) -> dict[str, Array]:
    return {name: array[start:stop] for name, array in arrays.items()}
