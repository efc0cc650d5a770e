"""Who is taken for the one that hangs, by the words of workers that wait for it in vain."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from dist_bp.optim.rules.base import Slice
from dist_bp.optim.rules.sgd import Sgd
from dist_bp.ps.doorbell import Peer
from dist_bp.runtime.survey import Progress
from dist_bp.types import Array
from tests.ps.group import LocalGroup, Problem

HANGS, GOES_ON = threading.Event(), threading.Event()


@dataclass(frozen=True, kw_only=True)
class Hanging(Sgd):
    """Hangs at step 3."""

    def update(self, old: Slice, new: Slice, grads: Array, step: int, learning_rate: float, scratch: Array) -> None:
        if step == 3:
            HANGS.set()
            GOES_ON.wait(20)
        super().update(old, new, grads, step, learning_rate, scratch)


@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_workers_without_a_part_to_update_are_not_taken_for_the_one_that_hangs(clip_norm: float | None) -> None:
    """All but one of a small network: they wait for whoever updates it, whatever it does meanwhile."""
    HANGS.clear()
    GOES_ON.clear()
    problem = Problem(rule=Hanging(learning_rate=1.0), clip_norm=clip_norm)
    with LocalGroup(problem, shares=3, servers=0) as group, ThreadPoolExecutor() as pool:
        stages = group.workers[0].arena.stages
        lease = pool.submit(group.run, 0, 5)
        try:
            assert HANGS.wait(10)
            time.sleep(0.2)  # in which the others have come as far as they come
            pending = [worker.peer for worker in group.workers]
            progress = Progress(lambda: {peer: stages[peer.rank] for peer in pending}, 1.0)
            progress.behind(pending, 0.0)
            assert progress.behind(pending, 1.0) == {Peer("worker", 0)}
        finally:
            GOES_ON.set()
        lease.result(20)
