"""A crew that decodes files on the cluster that a job joins."""

import re
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from dist_bp.config import JobConfig
from dist_bp.errors import DataError, TrainingFailed
from dist_bp.messages import first_line, plural
from dist_bp.runtime.calls import RayLost
from dist_bp.runtime.cluster import Cluster, check_address, cluster_address
from dist_bp.runtime.warden import Warden
from dist_bp.types import Shape

if TYPE_CHECKING:
    from dist_bp.media.crew import Crew, Decoded, Items
    from dist_bp.media.decoder import Decoder
    from dist_bp.media.parcels import Parcel

RETRIES = 2
"""Of a task whose process or node is lost."""
HELD_BYTES = 2**30
"""Of what waits here for its turn, at most, about."""
GROWS = 4.0
"""As many bytes are held to become of one in a file, before it is seen to be more."""


def crew_of(config: JobConfig) -> "Crew | None":
    """Tasks on all CPUs of the cluster that the job joins; None where it joins none: the CPUs of a Ray that is started
    for the run are those of this machine."""
    address, seconds = cluster_address(config.ray.address), config.ray.start_seconds
    if config.scaling.num_workers == 0 or address == "local":
        return None

    def crew(decoder: "Decoder", paths: "Items", size: int, shape: Shape | None) -> "Generator[list[Decoded]]":
        check_address(address)
        with Warden() as warden, closing(Cluster(address, 0, warden, seconds)) as cluster:
            cluster.settled()
            yield from decode_on(cluster, decoder, paths, size, shape)

    return crew


def decode_on(
    cluster: Cluster, decoder: "Decoder", paths: "Items", size: int, shape: Shape | None = None
) -> "Generator[list[Decoded]]":
    """As a `Crew`. The files are read here, and what they hold goes to the nodes, which need not see them.

    Raises DataError where processes end at the same files again and again, TrainingFailed where nobody decodes.
    """
    from dist_bp.media.parcels import parcels

    tasks = _Tasks(cluster, decoder, shape)
    try:
        for parcel in parcels(paths, size):
            while tasks.are_enough(parcel):
                yield tasks.first_result()
            tasks.begin(parcel)
        while tasks.begun:
            yield tasks.first_result()
    finally:
        tasks.end()


def _size(parcel: "Parcel") -> int:
    return sum(map(len, parcel[1]))


def _cpus(cluster: Cluster) -> int:
    return max(1, int(sum(node.cpus for node in cluster.nodes)))


class _Tasks:
    """Tasks that decode, each on a CPU of its own."""

    def __init__(self, cluster: Cluster, decoder: "Decoder", shape: Shape | None) -> None:
        from dist_bp.media.crew import BLOCKS
        from dist_bp.media.decoding import BLOCK_BYTES

        self._cluster, self._decoder, self._shape = cluster, decoder, shape
        self.begun: deque[tuple[Future[list[Decoded]], int]] = deque()
        """In the order of the files, with the bytes that these hold."""
        self._running: dict[Future[list[Decoded]], tuple[Any, Items]] = {}
        """Ray's reference to each, and the files that it decodes."""
        self._most = min(BLOCKS * _cpus(cluster), max(BLOCKS, HELD_BYTES // BLOCK_BYTES))
        self._grows = GROWS
        """How many bytes become of one, at most, in what has been decoded."""

    def are_enough(self, parcel: "Parcel") -> bool:
        """Whether one is to be taken before the parcel is sent: of what has become of others it may be large."""
        sent = sum(size for _, size in self.begun) + _size(parcel)
        return len(self.begun) >= self._most or (len(self.begun) > 0 and sent * self._grows > HELD_BYTES)

    def first_result(self) -> "list[Decoded]":
        from dist_bp.media.crew import bytes_of

        future, size = self.begun.popleft()
        found = self._result(future)
        if size:
            self._grows = max(self._grows, sum(bytes_of(self._decoder, one) for one in found) / size)
        return found

    def begin(self, parcel: "Parcel") -> None:
        self.begun.append((self._started(parcel), _size(parcel)))

    def _started(self, parcel: "Parcel") -> "Future[list[Decoded]]":
        from dist_bp.media.crew import SECONDS
        from dist_bp.media.parcels import decode_parcel

        paths, contents = parcel
        if not contents:
            here: Future[list[Decoded]] = Future()
            here.set_result(decode_parcel(self._decoder, parcel, self._shape))
            return here

        def send() -> tuple[Any, Any]:
            import ray

            options = {"num_cpus": 1, "max_retries": RETRIES, "scheduling_strategy": "SPREAD"}
            reference = ray.remote(decode_parcel).options(**options).remote(self._decoder, parcel, self._shape)
            return reference, reference.future()

        future: Future[list[Decoded]]
        reference, future = self._cluster.call(f"{self._decoder.many} were sent to be decoded", send, SECONDS)
        self._running[future] = reference, paths
        return future

    def _result(self, future: "Future[list[Decoded]]") -> "list[Decoded]":
        from dist_bp.media.crew import SECONDS, some_of

        _, paths = self._running.get(future, (None, ()))
        ends: list[Future[Any]] = [future, self._cluster.trouble]
        wait(ends, SECONDS, return_when=FIRST_COMPLETED)
        if not future.done():
            if self._cluster.trouble.done():
                raise RayLost(self._cluster.trouble.result())
            raise TrainingFailed(
                f"Ray did not decode {some_of(paths)} within {SECONDS:.0f} s: its CPUs are taken, or a task hangs"
            )
        error = future.exception()
        if error is not None:
            raise _translated(error, self._decoder.many, paths) from error
        self._running.pop(future, None)
        return future.result()

    def end(self) -> None:
        """Nobody waits for what is still running."""
        references = [reference for reference, _ in self._running.values()]
        self._running.clear()
        if references and not self._cluster.trouble.done():
            with suppress(RayLost):  # they end with Ray, or with this process
                self._cluster.call("tasks were ended", lambda: _cancel(references))


def _cancel(references: Iterable[Any]) -> None:
    import ray

    for reference in references:
        ray.cancel(reference, force=True)


def _translated(error: BaseException, many: str, paths: "Items") -> Exception:
    from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

    from dist_bp.media.crew import some_of

    if isinstance(error, RayTaskError):
        node = re.search(r"ip=([^,)\s]+)", str(error))
        *_, last = str(error.cause).strip().splitlines() or [type(error.cause).__name__]
        return TrainingFailed(f"{many} cannot be decoded on node {node[1] if node else '?'}: {last}")
    if isinstance(error, WorkerCrashedError | NodeDiedError | OutOfMemoryError):
        why = ": the memory of a node is too small" if isinstance(error, OutOfMemoryError) else ""
        return DataError(
            f"the process that decodes {many} ended at {some_of(paths)}, {plural(1 + RETRIES, 'time')}{why}"
        )
    return TrainingFailed(f"Ray could not decode {some_of(paths)}: {first_line(error)}")
