"""Words of the arena and doorbells: everybody waits for the last one, sleeps meanwhile, and learns of deaths."""

import random
import resource
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from dist_bp.ps.arena import Arena
from dist_bp.ps.decision import Aborted
from dist_bp.ps.doorbell import Doorbell, Peer, PeerLost
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.rendezvous import Rendezvous

EVERYBODY = (0, 1, 2)


@contextmanager
def three(timeout: float = 5.0) -> Iterator[tuple[list[Rendezvous], list[dict[int, Doorbell]], socket.socket]]:
    arena = Arena.create(ArenaLayout(16, 0, (), (3,), 0, "float32"))
    bells: list[dict[int, Doorbell]] = [{}, {}, {}]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        bells[one][other] = Doorbell(ends[0], Peer("worker", other), timeout)
        bells[other][one] = Doorbell(ends[1], Peer("worker", one), timeout)
    keeper, end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    members = [Rendezvous(arena, place, end, timeout) for place in EVERYBODY]
    for member, own in zip(members, bells, strict=True):
        member.bells = own
        member.begin(1, EVERYBODY)
    try:
        yield members, bells, keeper
    finally:
        keeper.close()
        end.close()
        for own in bells:
            for bell in own.values():
                bell.close()
        arena.close()


def test_nobody_goes_on_before_the_last_one_has_arrived() -> None:
    """Three members in threads, each late at random: whoever passes a stage finds all others there."""
    draws = random.Random(5)
    delays = [[draws.choice([0, 0, 0.001]) for _ in range(200)] for _ in EVERYBODY]
    reached = [0, 0, 0]

    def walk(me: int) -> None:
        for stage, delay in enumerate(delays[me], start=1):
            time.sleep(delay)
            reached[me] = stage
            members[me].arrive(stage)
            members[me].wait(stage, EVERYBODY)
            assert min(reached) >= stage

    with three() as (members, _, _), ThreadPoolExecutor() as pool:
        for future in [pool.submit(walk, me) for me in EVERYBODY]:
            future.result(30)


def test_who_waits_uses_no_processor_and_is_woken() -> None:
    with three() as (members, _, _), ThreadPoolExecutor() as pool:
        members[0].arrive(1)
        members[1].arrive(1)
        waiting = pool.submit(members[0].wait, 1, EVERYBODY)
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
        threading.Timer(0.5, members[2].arrive, (1,)).start()
        waiting.result(5)
        after, ended = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    assert ended - started < 2
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 0.2


def test_stages_of_an_earlier_lease_are_none_of_this_one() -> None:
    with three(timeout=0.2) as (members, _, _):
        for member in members:
            member.arrive(7)
        members[0].begin(2, EVERYBODY)
        members[0].arrive(1)
        with pytest.raises(PeerLost, match=r"worker 1 did not answer for 0\.2 s"):
            members[0].wait(1, EVERYBODY)


def test_the_end_of_a_lease_reaches_whoever_waits_and_none_of_the_next_one() -> None:
    with three() as (members, _, _), ThreadPoolExecutor() as pool:
        waiting = [pool.submit(members[me].wait, 1, EVERYBODY) for me in (0, 1)]
        time.sleep(0.05)
        members[2].abort()
        for future in waiting:
            with pytest.raises(Aborted):
                future.result(5)
        for member in members:
            member.begin(2, EVERYBODY)
            member.arrive(1)
        members[0].wait(1, EVERYBODY)


def test_what_was_reached_before_the_end_counts() -> None:
    with three() as (members, _, _):
        for member in members:
            member.arrive(1)
        members[2].abort()
        members[0].wait(1, EVERYBODY)
        with pytest.raises(Aborted):
            members[0].wait(2, EVERYBODY)


@pytest.mark.parametrize("who", ["worker 2", "keeper 0"])
def test_a_death_is_noticed_at_once_by_who_sleeps(who: str) -> None:
    with three(timeout=60) as (members, bells, keeper), ThreadPoolExecutor() as pool:
        waiting = pool.submit(members[0].wait, 1, (1,))
        time.sleep(0.1)
        started = time.monotonic()
        if who == "worker 2":
            for bell in bells[2].values():
                bell.close()
        else:
            keeper.close()
        with pytest.raises(PeerLost, match=f"{who} died"):
            waiting.result(5)
        assert time.monotonic() - started < 1
