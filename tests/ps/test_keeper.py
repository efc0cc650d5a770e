"""Whom a keeper can end: those that have come to it, and those that it was told of."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from dist_bp.processes import known
from dist_bp.ps.doorbell import Peer, PeerLost
from dist_bp.ps.keeper import Keeper
from dist_bp.ps.layout import ArenaLayout
from dist_bp.ps.recipe import Contact

ONE = Peer("worker", 1)


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    keeper = Keeper(ArenaLayout(10, 0, (), (2,), 0, "float32"), Contact(b"k" * 32, 1.0))
    keeper.listen()
    yield keeper
    keeper.close()


def test_one_that_never_came_is_not_called_gone(keeper: Keeper) -> None:
    assert not keeper.fence(ONE, 1.0)


def test_one_that_is_known_and_does_not_come_can_be_ended(keeper: Keeper) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        with pytest.raises(PeerLost, match="did not connect"):
            keeper.admit([ONE], [], 0.1, {ONE: known([process.pid])})
        assert process.poll() is None
        assert keeper.fence(ONE, 5.0)
        assert process.wait(5) == -9
